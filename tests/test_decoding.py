"""Pruned decoding gives what the full tables give by eq. 13."""

from pathlib import Path

import pytest
import torch

from pfn_kg.pfn.calibration import calibration_of
from pfn_kg.pfn.checkpoint import DEFAULT_MODEL, shipped_models
from pfn_kg.pfn.inference.decoding import (
    Cells,
    RelationShift,
    decode,
    decode_tables,
    head_pairs,
    packed,
    unpacked,
)

pytestmark = pytest.mark.quick

TEXTS = [
    "Anna Bell was born in London .",
    "the company was founded in 1990 by John Smith , director of Acme Corp in New York",
    "Paris",
    "the river Thames in London, the capital; and Paris, the capital of France - in 19 cities.",
]


def clear_floor(scores, wanted):
    """The score nearest to `wanted` that no cell lies within 1e-5 of."""
    scores = scores[scores.isfinite()].flatten().sort().values.double()
    wide = (scores.diff() > 3e-5).nonzero().flatten()
    middles = (scores[wide] + scores[wide + 1]) / 2
    return float(middles[(middles - wanted).abs().argmin()])


def by_place(cells):
    return dict(zip(map(tuple, cells.places.tolist()), cells.scores.tolist(), strict=True))


def check(extractor, texts, wanted_entity, wanted_relation):
    windows = [w for found in extractor.inputs.encode(texts) for w in found]
    batch = extractor.inputs.collate(windows)
    with torch.no_grad():
        tables = extractor.model(**batch)
    config = extractor.config
    of_entities, of_relations = (
        calibration_of(config.calibration, table) for table in ("entity", "relation")
    )
    entity = clear_floor(of_entities.probability(tables.entity_table), wanted_entity)
    relation = clear_floor(of_relations.probability(tables.relation_table), wanted_relation)
    pruned = decode(extractor.model, batch, entity_floor=entity, relation_floor=relation)
    full = decode_tables(
        tables,
        entity_floor=entity,
        relation_floor=relation,
        reflexive=config.reflexive,
        calibration=config.calibration,
        max_span=config.max_span,
        shift=RelationShift.of(config, batch.get("sentence_ids"), "cpu"),
    )
    for found, expected in zip(pruned, full, strict=True):
        if expected is None:  # no tail table
            assert found is None
            continue
        assert found.places.tolist() == expected.places.tolist()
        torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)
    return pruned


@pytest.mark.parametrize("positions", ["words", "pieces"])
@pytest.mark.parametrize(
    ("entity_floor", "relation_floor"), [(0.1, 0.1), (0.5, 0.5), (0.9, 0.1), (0.7, 0.9)]
)
def test_random_weights(random_extractor, positions, entity_floor, relation_floor):
    triples = entities = 0
    for seed in range(4):
        extractor = random_extractor(seed, positions=positions, word_shapes=seed % 2 == 0)
        pruned = check(extractor, TEXTS, entity_floor, relation_floor)
        entities += len(pruned.entities.scores)
        triples += len(pruned.triples.scores)
    assert entities
    assert triples or relation_floor == 0.9


def test_trained_tiny_model(tiny_extractor):
    pruned = check(tiny_extractor, TEXTS, 0.5, 0.3)
    assert 2 <= len(pruned.entities.scores) <= 40
    assert len(pruned.triples.scores)


def test_no_entity_no_triple(tiny_extractor):
    batch = tiny_extractor.inputs.collate(tiny_extractor.inputs.encode(["the of"])[0])
    pruned = decode(tiny_extractor.model, batch, entity_floor=1.0, relation_floor=0.0)
    assert not len(pruned.entities.places)
    assert not len(pruned.triples.places)


def test_cells_in_one_tensor():
    tables = [Cells(torch.randint(0, 99, (count, 4)), torch.rand(count)) for count in (3, 0, 5)]
    rows = packed(tables)
    assert rows.dtype == torch.int32
    for found, given in zip(unpacked(rows, [3, 0, 5]), tables, strict=True):
        assert found.places.equal(given.places)
        assert found.scores.equal(given.scores)
        assert found.scores.dtype == given.scores.dtype


def test_head_pairs_stay_in_their_sentence():
    mask = torch.ones(3, 4, dtype=torch.bool)
    # Sentence 0 has heads 1 and 3 (1 twice), sentence 1 none, sentence 2 head 0.
    entities = torch.tensor([(0, 1, 1, 0), (0, 1, 2, 1), (0, 3, 3, 0), (2, 0, 1, 0)])
    pairs = list(zip(*(p.tolist() for p in head_pairs(entities, mask)), strict=True))
    assert pairs == [(0, 1, 1), (0, 1, 3), (0, 3, 1), (0, 3, 3), (2, 0, 0)]
    pairs = list(zip(*(p.tolist() for p in head_pairs(entities, mask, False)), strict=True))
    assert pairs == [(0, 1, 3), (0, 3, 1)]


def test_no_position_relates_to_itself_where_the_model_says_so(random_extractor):
    extractor = random_extractor(0)
    reflexive = check(extractor, TEXTS, 0.1, 0.1).triples.places
    extractor.config.reflexive = False
    found = check(extractor, TEXTS, 0.1, 0.1).triples.places
    # Another floor may have been chosen for either, so only the diagonal is compared.
    assert (reflexive[:, 1] == reflexive[:, 2]).any()
    assert len(found)
    assert not (found[:, 1] == found[:, 2]).any()


@pytest.mark.skipif(DEFAULT_MODEL not in shipped_models(), reason="no model is shipped")
def test_shipped_model():
    from pfn_kg.pfn.extractor import Extractor

    extractor = Extractor.from_pretrained(device="cpu")
    texts = [
        "Ada Lovelace, the daughter of Lord Byron, was born in London on 10 December 1815.",
        "Apple Inc. was founded by Steve Jobs, Steve Wozniak and Ronald Wayne in California.",
        "The Thames flows through London, the capital of the United Kingdom.",
    ]
    config = extractor.config
    pruned = check(extractor, texts, config.entity_threshold, config.relation_threshold)
    assert len(pruned.triples.scores)
    check(extractor, texts, 0.1, 0.1)
    found = extractor.extract(["Ada Lovelace was born in London."])[0]
    assert {m.text for m in found.mentions} >= {"Ada Lovelace", "London"}
    assert (Path(extractor.config._name_or_path) / "README.md").is_file()


def test_tails_may_meet_themselves_where_heads_may_not(random_extractor):
    extractor = random_extractor(tail_table=True, reflexive=False)
    found = check(extractor, TEXTS, 0.3, 0.3)
    assert not any(row == column for _, row, column, _ in found.triples.places.tolist())
    assert any(row == column for _, row, column, _ in found.tails.places.tolist())
