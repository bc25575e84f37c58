"""Gates and partitions over a sentence: those of the encoder, and the picture of them."""

import importlib.util
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import torch

from pfn_kg.pfn.evaluation.partition_plot import sizes_as_text, write_partitions
from pfn_kg.pfn.evaluation.partitions import Partitions, partition_gates, read_partitions
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick

TEXT = "Anna Bell was born in London."


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("entity_gate", ["cummax", "mirrored"])
@pytest.mark.parametrize("chunk_size", [None, 3])
def test_these_are_the_gates_that_make_the_features(reverse, entity_gate, chunk_size):
    torch.manual_seed(5)
    encoder = PartitionFilterEncoder(
        7, 12, entity_gate=entity_gate, chunk_size=chunk_size, reverse=reverse
    ).eval()
    x = torch.randn(6, 7)
    with torch.no_grad():
        gates, features = partition_gates(encoder, x)
        expected = torch.cat(encoder(x[None]), -1)[0]
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)
    assert gates.shape == (6, 2, 2, 12)
    assert ((gates >= -1e-6) & (gates <= 1 + 1e-6)).all()
    # cummax rises and its complement falls, chunk by chunk.
    steps = gates.unflatten(-1, (-1, chunk_size or 12)).diff(dim=-1)
    rising = steps[:, :, 1 if entity_gate == "mirrored" else 0]
    falling = steps[:, :, 0 if entity_gate == "mirrored" else 1]
    assert (rising >= -1e-6).all()
    assert (falling <= 1e-6).all()


def test_sizes_of_hard_gates_are_numbers_of_neurons():
    entity = np.array([[[0, 0, 1, 1, 1, 1, 1, 1]]] * 2, dtype=float)
    relation = np.array([[[1, 1, 1, 1, 1, 0, 0, 0]]] * 2, dtype=float)
    sizes = Partitions(["w"], entity, relation).sizes()
    assert {name: size.tolist() for name, size in sizes.items()} == {
        "entity": [[3 / 8]] * 2,
        "shared": [[3 / 8]] * 2,
        "relation": [[2 / 8]] * 2,
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"positions": "pieces"}, {"layers": 2, "bidirectional": True}, {"chunk_size": 4}],
)
def test_a_sentence(random_extractor, options):
    found = read_partitions(random_extractor(**options), TEXT)
    if options.get("positions") == "pieces":
        assert len(found.words) > 7
    else:
        assert found.words == ["Anna", "Bell", "was", "born", "in", "London", "."]
    assert found.entity_gates.shape == found.relation_gates.shape == (2, len(found.words), 12)
    sizes = found.sizes()
    total = sum(sizes.values())
    assert ((total > 0) & (total <= 1 + 1e-6)).all()
    assert sizes_as_text(found).startswith("memory of the words before: entity ")


def test_what_has_no_gates(random_extractor):
    with pytest.raises(ConfigurationError, match="encoding is parallel, which has no gates"):
        read_partitions(random_extractor(encoding="parallel"), TEXT)
    with pytest.raises(ConfigurationError, match="text: the text has no word"):
        read_partitions(random_extractor(), " ")
    with pytest.raises(ConfigurationError, match="give one sentence"):
        read_partitions(random_extractor(window_pieces=20, window_overlap=4), TEXT * 9)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_the_picture(random_extractor, tmp_path, kind):
    found = read_partitions(random_extractor(), "Anna paid $5 and $6 & left.")
    paths = [tmp_path / f"{name}.{kind}" for name in "ab"]
    for path in paths:
        write_partitions(found, str(path))
    first, again = (path.read_bytes() for path in paths)
    assert first == again
    if kind == "svg":
        text = " ".join(e.text or "" for e in ElementTree.fromstring(first).iter())
        for part in ("Anna", "$", "entity gate", "shared", "% of neurons"):
            assert part in text


def test_the_command(tiny_model, tmp_path, capsys, monkeypatch):
    path = tmp_path / "partitions.svg"
    command = ["predict", TEXT, "--model", str(tiny_model), "--plot-partitions"]
    assert main([*command, str(path)]) == 0
    out, err = capsys.readouterr()
    assert "London" in out
    assert f"{path}: memory of the words before: entity " in err
    assert path.stat().st_size > 10_000
    for arguments, message in (
        ([*command, "x.txt"], "--plot-partitions: x.txt does not end in .png, .svg, .pdf"),
        ([*command, "/nowhere/x.png"], "--plot-partitions: there is no folder /nowhere"),
        (
            ["predict", "Another.", *command[1:], str(path)],
            "--plot-partitions: draws one text, not several",
        ),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main([*command, str(path)]) == 2
    assert "'.[plots]'` in a clone" in capsys.readouterr().err
