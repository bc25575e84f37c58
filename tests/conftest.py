"""What many tests share."""

import contextlib
import inspect
import io
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from helpers.examples import load_profile

# A hook.
from helpers.scheduling import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler

load_profile()

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each of several workers has a core, not all of them.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The precision `auto` is fp32 on any processor then, in the processes that tests start too.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")

# Java's second compiler costs more than it saves in servers that live for a minute.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session", autouse=True)
def beam_looks_once():
    """Beam asks the same questions again and again, by `inspect` and by `argparse`.

    Of a small build it asks DoFns some hundred times for their states and timers and five
    thousand times for the arguments of a method, parses the pipeline's options six hundred
    times, and reads the source of forty methods to see whether they yield. That is more than half
    of the time, and the suite has hundreds of such builds.

    With PFN_KG_PLAIN_BEAM=1 Beam is left as it is; `test_plain_beam.py` runs some tests so.
    """
    if os.environ.get("PFN_KG_PLAIN_BEAM") == "1":
        yield
        return
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms import core, userstate

    kept = weakref.WeakKeyDictionary()
    look = userstate.get_dofn_specs

    def get_dofn_specs(dofn):
        if dofn not in kept:
            kept[dofn] = look(dofn)
        return kept[dofn]

    arguments = weakref.WeakKeyDictionary()
    look_at_arguments = core.get_function_args_defaults

    def get_function_args_defaults(function):
        if not inspect.ismethod(function):
            return look_at_arguments(function)
        if function.__func__ not in arguments:
            arguments[function.__func__] = look_at_arguments(function)
        return tuple(map(list, arguments[function.__func__]))

    answers = weakref.WeakKeyDictionary()
    yields_and_returns = core._check_fn_use_yield_and_return

    def check_fn_use_yield_and_return(function):
        code = getattr(function, "__code__", None)
        if code is None:
            return yields_and_returns(function)
        if code not in answers:
            answers[code] = yields_and_returns(function)
        return answers[code]

    views = {}
    view = PipelineOptions.view_as

    def view_as(options, cls):
        # All views of some options share one dictionary, which a kept view keeps alive.
        place = id(options._all_options), cls
        if place not in views:
            if len(views) > 1000:
                views.clear()
            views[place] = view(options, cls)
        return views[place]

    with (
        mock.patch.object(userstate, "get_dofn_specs", get_dofn_specs),
        mock.patch.object(core, "get_function_args_defaults", get_function_args_defaults),
        mock.patch.object(core, "_check_fn_use_yield_and_return", check_fn_use_yield_and_return),
        mock.patch.object(PipelineOptions, "view_as", view_as),
    ):
        yield


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """Folder of a tiny checkpoint that finds some mentions and triples in ordinary text."""
    return DATA / "tiny_model"


@pytest.fixture(scope="session")
def tiny_extractor(tiny_model):
    """The tiny checkpoint, loaded; not to be changed."""
    from pfn_kg.pfn.extractor import Extractor

    return Extractor.from_pretrained(tiny_model, device="cpu")


@pytest.fixture(scope="session")
def pfn_kg_folder() -> Iterator[Path]:
    """A folder for PATH, whose `pfn-kg` is a process of its own that starts at once."""
    from helpers.command_server import command_folder

    with command_folder() as folder:
        yield folder


@pytest.fixture
def memory():
    """The files of `memory://`, by path; none at the beginning."""
    from helpers.memory_file_system import FILES, UNREADABLE

    FILES.clear()
    UNREADABLE.clear()
    yield FILES
    FILES.clear()
    UNREADABLE.clear()


@pytest.fixture(scope="session")
def random_extractor():
    """Makes extractors with random weights, whose scores are spread over all of [0, 1]."""
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from pfn_kg.pfn.extractor import Extractor
    from pfn_kg.pfn.model.configuration import PFNConfig
    from pfn_kg.pfn.model.modeling import PFNModel

    def make(seed=0, **options):
        config = PFNConfig(
            encoder=AutoConfig.from_pretrained(DATA / "official" / "encoder"),
            entity_types=["A", "B", "C"],
            relation_types=["r", "s"],
            hidden_size=12,
            **options,
        )
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            model = PFNModel(config).eval()
            if model.word_shapes is not None:
                model.word_shapes.weight.normal_()
            model.encoder.get_input_embeddings().weight.normal_()
            if model.re.distance is not None:
                model.re.distance.weight[1:].normal_()
            for unit in (model.ner, model.re):
                unit.label.weight.mul_(4)
                unit.label.bias.sub_(1)
        return Extractor(model, AutoTokenizer.from_pretrained(DATA / "official" / "encoder"))

    return make


@pytest.fixture(scope="session")
def neo4j(tmp_path_factory):
    """A Neo4j to test against: that of NEO4J_URI, or one started from NEO4J_HOME."""
    from helpers.neo4j_server import ENVIRONMENT, Database, running

    found = {name: os.environ[name] for name in ENVIRONMENT if os.environ.get(name)}
    if "NEO4J_URI" in found:
        yield Database(found)
        return
    home = os.environ.get("NEO4J_HOME")
    if not home:
        pytest.skip("neither NEO4J_URI nor NEO4J_HOME leads to a Neo4j")
    with running(home, tmp_path_factory.mktemp("neo4j")) as server:
        yield Database(server.credentials)


@pytest.fixture(scope="session")
def example_run(tmp_path_factory):
    """The README's first command with the shipped model: the output folder, and what it said."""
    from pfn_kg.pfn.checkpoint import DEFAULT_MODEL, shipped_models
    from pfn_kg.pipeline.cli import main

    if DEFAULT_MODEL not in shipped_models():
        pytest.skip("no model is shipped")
    output = tmp_path_factory.mktemp("runs") / "example"
    corpus = Path(__file__).parents[1] / "examples" / "corpus"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["run", str(corpus), "--output", str(output)]) == 0
    return output, said.getvalue()
