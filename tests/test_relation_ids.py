"""Relations by their Wikidata ids, where the label schema knows them."""

import json

import pytest

from helpers.training_data import DOCUMENT
from pfn_kg.pfn.readers import read
from pfn_kg.pfn.readers.docred import read_docred_documents
from pfn_kg.pfn.readers.relation_ids import documents_with_names, names_of_ids, with_names
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.label_schema import LabelSchema

pytestmark = pytest.mark.quick

IDS = {"born_in": "P19", "works_for": "P108", "capital_of": "P1376"}
SCHEMA = LabelSchema.from_dict(
    {
        "entity_types": [{"name": "PER"}],
        "relations": [
            {
                "name": "born_in",
                "exact_match": [
                    "http://www.wikidata.org/entity/P19",
                    "http://www.wikidata.org/prop/direct/P19",
                ],
            },
            {"name": "works_for", "exact_match": ["http://www.wikidata.org/prop/direct/P108"]},
            # A name that looks like an id stays.
            {"name": "P1376", "exact_match": ["http://www.wikidata.org/entity/P1376"]},
            {"name": "other", "exact_match": ["https://schema.org/P7X"]},
        ],
    }
)


@pytest.fixture
def by_ids(tmp_path):
    labels = [{**fact, "r": IDS[fact["r"]]} for fact in DOCUMENT["labels"]]
    partial = {"annotated_relations": ["P19", "P3"], "title": "partial"}
    path = tmp_path / "data.json"
    path.write_text(json.dumps([DOCUMENT | {"labels": labels}]))
    (tmp_path / "partial.json").write_text(json.dumps([DOCUMENT | {"labels": labels} | partial]))
    return path


def test_ids_become_names(by_ids):
    names = names_of_ids(SCHEMA)
    assert names == {"P19": "born_in", "P108": "works_for"}
    renamed = with_names(read(by_ids, "docred"), names)
    assert [r for s in renamed for _, r, _ in s.triples] == ["born_in", "works_for", "P1376"]
    assert {r for _, r, _ in renamed.documents[0].facts} == {"born_in", "works_for", "P1376"}
    (document,) = documents_with_names(read_docred_documents(by_ids), names)
    assert {r for _, r, _ in document.facts} == {"born_in", "works_for", "P1376"}
    partial = with_names(read(by_ids.with_name("partial.json"), "docred"), names)
    assert partial.documents[0].annotated.relations == {"born_in", "P3"}


def test_evaluate_scores_them(tiny_model, by_ids, tmp_path, capsys):
    """The same figures as by names, in place of 0."""
    command = ["evaluate", "--format", "docred", "--json", "--model"]
    config = json.loads((tiny_model / "config.json").read_text())
    names = config["relation_types"]
    used = dict(zip(IDS.values(), names, strict=False))
    document = json.loads(by_ids.read_text())[0]
    document["labels"] = [f for f in document["labels"] if f["r"] in used]
    by_ids.write_text(json.dumps([document]))
    model = tmp_path / "model"
    model.mkdir()
    for file in tiny_model.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    for relation in config["label_schema"]["relations"]:
        ids = [id_ for id_, name in used.items() if name == relation["name"]]
        relation["exact_match"] = [f"http://www.wikidata.org/entity/{id_}" for id_ in ids]
    (model / "config.json").write_text(json.dumps(config))
    (model / "SHA256SUMS").unlink(missing_ok=True)
    assert main([*command, str(model), "--data", str(by_ids)]) == 0
    found = json.loads(capsys.readouterr().out)
    for fact in document["labels"]:
        fact["r"] = used[fact["r"]]
    by_ids.write_text(json.dumps([document]))
    assert main([*command, str(model), "--data", str(by_ids)]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert found["unknown_labels"] == expected["unknown_labels"]
    assert not set(IDS.values()) & set(found["unknown_labels"])
    assert found["per_type"]["triple"] == expected["per_type"]["triple"]
