"""The scripts of examples/training that make documents by rule, loaded and run."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from helpers.corpora import ROOT
from pfn_kg.pfn.readers import read

FOLDER = ROOT / "examples" / "training"


def load_script(name: str) -> ModuleType:
    """The module of a script, which imports others of its folder."""
    with mock.patch.object(sys, "path", [str(FOLDER), *sys.path]):
        return importlib.import_module(name)


def training_document(title: str, names: Sequence[tuple[str, str]], relation: str) -> Any:
    """A document of Re-DocRED's form: one sentence of names of two words, and one fact.

    Args:
        title: of the document.
        names: name and type; the first is the fact's subject, the second its object.
        relation: of the fact.
    """
    return {
        "title": title,
        "sents": [[word for name, _ in names for word in name.split()]],
        "vertexSet": [
            [{"name": name, "type": of_type, "sent_id": 0, "pos": [2 * i, 2 * i + 2]}]
            for i, (name, of_type) in enumerate(names)
        ],
        "labels": [{"h": 0, "t": 1, "r": relation, "evidence": [0]}],
    }


def assert_mentions_are_words(document: Any) -> None:
    """Each mention's name is the text at its place."""
    for mentions in document["vertexSet"]:
        for mention in mentions:
            words = document["sents"][mention["sent_id"]][slice(*mention["pos"])]
            assert " ".join(words) == mention["name"]


def assert_writes(script: ModuleType, documents: Sequence[Any], folder: Path, title: str) -> None:
    """The script writes what the reader takes: the same each time, and behind another file's.

    Args:
        script: its module.
        documents: the training documents that it draws names from.
        folder: an empty one.
        title: of the made documents, before their number.
    """
    (folder / "redocred").mkdir()
    (folder / "redocred" / "train.json").write_text(json.dumps(documents))
    output = folder / "made.json"
    arguments = [str(folder), "--documents", "20"]
    script.main([*arguments, "-o", str(output)])
    first = output.read_bytes()
    assert len(read(output, "docred").documents) == 20
    script.main([*arguments, "-o", str(output)])
    assert output.read_bytes() == first
    script.main([*arguments, "--seed", "77", "--into", str(output)])
    both = json.loads(output.read_bytes())
    assert both[:20] == json.loads(first)
    assert [document["title"] for document in both] == [f"{title} {i}" for i in range(20)] * 2
    assert both[20:] != both[:20]
