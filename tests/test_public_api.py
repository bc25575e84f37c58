"""The public names: each is there, documented, typed, and loaded when it is first used."""

import inspect
import json
import subprocess
import sys
import typing

import pandas as pd
import pyoxigraph
import pytest

import pfn_kg
from pfn_kg.pfn.model.configuration import PFNConfig

NAMES = [name for name in pfn_kg.__all__ if name != "__version__"]
CLASSES = [getattr(pfn_kg, name) for name in NAMES]
RECORDS = [found for found in CLASSES if issubclass(found, tuple)]


def functions(found):
    """The public methods that a class defines itself, and how it is made."""
    for name, value in vars(found).items():
        if isinstance(value, classmethod | staticmethod):
            value = value.__func__
        if isinstance(value, property):
            value = value.fget
        if inspect.isfunction(value) and (name == "__init__" or not name.startswith("_")):
            yield name, value


def test_all_is_complete():
    assert sorted(NAMES) == sorted(pfn_kg._HOMES)
    assert pfn_kg.__all__ == sorted(pfn_kg.__all__, key=lambda name: (name.startswith("_"), name))
    assert set(pfn_kg.__all__) <= set(dir(pfn_kg))
    assert pfn_kg.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="has no attribute 'Grap'"):
        _ = pfn_kg.Grap


@pytest.mark.parametrize("name", ["Extractor", "Graph", "ExtractedText", "DocumentHeads"])
def test_what_public_methods_give_is_public(name):
    found = getattr(pfn_kg, name)
    # PFNConfig is what the attribute `config` gives; no program needs it by name.
    public = {*CLASSES, PFNConfig}
    hints = [typing.get_type_hints(f, _names(f)).get("return") for _, f in functions(found)]
    hints += typing.get_type_hints(found).values()
    for hint in hints:
        for part in (hint, *typing.get_args(hint)):
            if inspect.isclass(part) and part.__module__.startswith("pfn_kg."):
                assert part in public, part


def _names(function):
    """What the annotations of a function may name, and what is imported for type checkers."""
    later = {"pd": pd, "pyoxigraph": pyoxigraph}
    return vars(inspect.getmodule(function)) | later


@pytest.mark.parametrize("name", NAMES)
def test_each_is_documented_and_typed(name):
    found = getattr(pfn_kg, name)
    assert found.__doc__
    assert not found.__doc__.startswith(f"{name}(")  # as tuples without one have it
    assert found.__name__ == name
    for method, function in functions(found):
        if found in RECORDS and method in dir(tuple):
            continue
        # A class says what it is made of.
        assert inspect.getdoc(function) or method == "__init__", method
        signature = inspect.signature(function)
        for parameter in list(signature.parameters.values())[1:]:
            assert parameter.annotation is not inspect.Parameter.empty, (method, parameter.name)
        if method != "__init__":
            assert signature.return_annotation is not inspect.Signature.empty, method


@pytest.mark.parametrize("found", [c for c in CLASSES if c not in RECORDS])
def test_no_call_has_more_than_three_arguments_by_place(found):
    for method, function in functions(found):
        places = [
            parameter
            for parameter in list(inspect.signature(function).parameters.values())[1:]
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
        ]
        assert len(places) <= 3, method


def test_to_import_the_package_loads_nothing_else():
    code = (
        "import json, sys, pfn_kg\n"
        "pfn_kg.__version__, pfn_kg.ConfigurationError, pfn_kg.Mention, dir(pfn_kg)\n"
        "heavy = ('torch', 'transformers', 'apache_beam', 'pyarrow', 'networkx', 'rdflib')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_graph_needs_no_torch(tmp_path):
    code = (
        "import sys\n"
        "from pfn_kg import ConfigurationError, Graph\n"
        "try:\n"
        f"    Graph.open({str(tmp_path)!r})\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{tmp_path}: no manifest.json there, so no finished graph",
        "False",
    ]
