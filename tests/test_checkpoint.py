"""Finding and reading checkpoints, and importing official ones."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.corpora import write_corpus
from pfn_kg.pfn.checkpoint import (
    SHIPPED,
    find_model,
    model_hash,
    read_config,
    read_label_schema,
    shipped_models,
)
from pfn_kg.pfn.checksums import CHECKSUMS_FILE, check_checksums, write_checksums
from pfn_kg.pfn.checksums import main as checksums_main
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.training.save_checkpoint import save_checkpoint
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick

OFFICIAL = Path(__file__).parent / "data" / "official"


def test_find_model(tiny_model, tmp_path):
    assert find_model(str(tiny_model)) == tiny_model
    # The output folder of a training holds the model in model/.
    shutil.copytree(tiny_model, tmp_path / "training" / "model")
    assert find_model(str(tmp_path / "training")) == tmp_path / "training" / "model"
    with pytest.raises(ConfigurationError, match=r"model: .* has no config\.json"):
        find_model(str(tmp_path))
    with pytest.raises(ConfigurationError, match="model: nowhere is neither a folder nor"):
        find_model("nowhere")


def test_a_hub_name_that_is_not_there(monkeypatch):
    import huggingface_hub

    def offline(name):
        raise OSError(f"can't reach the hub for {name}. And more.")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(ConfigurationError, match=r"owner/name is no folder, and the hub gave: can"):
        find_model("owner/name")


def test_read_without_the_model(tiny_model, tmp_path):
    assert read_config(tiny_model)["entity_threshold"] == 0.5
    schema = read_label_schema(tiny_model)
    assert [t.name for t in schema.entity_types] == read_config(tiny_model)["entity_types"]
    assert [r.name for r in schema.relations] == read_config(tiny_model)["relation_types"]
    assert schema.entity_type("TIME").datatype == "xsd:date"
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ConfigurationError, match="is no PFN checkpoint"):
        read_config(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"config\.json can't be read"):
        read_config(tmp_path)


def test_hash_is_of_what_results_depend_on(tiny_model, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_model, folder)
    before = model_hash(tiny_model)
    assert model_hash(folder) == before
    (folder / "README.md").write_text("a card")
    assert model_hash(folder) == before
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"entity_threshold": 0.6}))
    assert model_hash(folder) != before


@pytest.fixture
def copied(tiny_model, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_model, folder)
    return folder


def flip(path, at, count):
    data = bytearray(path.read_bytes())
    data[at : at + count] = (byte ^ 0xFF for byte in data[at : at + count])
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: flip(f / "model.safetensors", -1000, 16), "model.safetensors is damaged"),
        (lambda f: flip(f / "tokenizer.json", 100, 1), "tokenizer.json is damaged"),
        (lambda f: (f / "tokenizer_config.json").unlink(), "tokenizer_config.json is missing"),
        (lambda f: (f / CHECKSUMS_FILE).write_text("nonsense\n"), "'nonsense' is no line"),
    ],
)
def test_a_damaged_model_is_refused(copied, tmp_path, capsys, damage, says):
    damage(copied)
    with pytest.raises(ConfigurationError, match=f"model: .*{says}"):
        Extractor.from_pretrained(copied)
    write_corpus(tmp_path / "in.parquet")
    for command in (["extract", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out")],):
        assert main([*command, "--model", str(copied)]) == 2
        said = capsys.readouterr().err
        assert says in said
        assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_change_that_was_meant(copied, capsys):
    before = model_hash(copied)
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"entity_threshold": 0.6}))
    assert checksums_main([str(copied)]) == 0
    assert capsys.readouterr().out == f"{copied / CHECKSUMS_FILE}\n"
    assert Extractor.from_pretrained(copied).config.entity_threshold == 0.6
    (copied / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")
    (copied / "README.md").write_text("a card")
    write_checksums(copied)
    assert subprocess.run(["sha256sum", "-c", CHECKSUMS_FILE], cwd=copied).returncode == 0
    # The hashes are no part of what results depend on.
    assert model_hash(copied) == before
    assert checksums_main([str(copied / "none")]) == 2


def test_an_older_checkpoint_gets_a_warning(copied, caplog):
    (copied / CHECKSUMS_FILE).unlink()
    Extractor.from_pretrained(copied)
    assert f"{copied} has no {CHECKSUMS_FILE}" in caplog.text


@pytest.mark.parametrize("name", shipped_models())
def test_the_hashes_of_shipped_models(name, caplog):
    folder = SHIPPED / name
    check_checksums(folder)
    assert caplog.text == ""
    hashed = {line.split("  ")[1] for line in (folder / CHECKSUMS_FILE).read_text().splitlines()}
    assert hashed == {p.name for p in folder.iterdir()} - {CHECKSUMS_FILE, "README.md"}


def test_saved_checkpoints_have_hashes(tiny_extractor, tmp_path):
    save_checkpoint(tiny_extractor, tmp_path / "saved", card="a card")
    check_checksums(tmp_path / "saved")
    flip(tmp_path / "saved" / "model.safetensors", -8, 1)
    with pytest.raises(ConfigurationError, match="is damaged"):
        check_checksums(tmp_path / "saved")


def test_looking_at_a_model_does_not_load_torch():
    code = (
        "import sys, pfn_kg.pfn.checkpoint as c; "
        f"c.read_label_schema(r'{OFFICIAL.parent / 'tiny_model'}'); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def labels(tmp_path):
    case = json.loads((OFFICIAL / "case.json").read_text())
    for name in ("ner2idx", "rel2idx"):
        (tmp_path / f"{name}.json").write_text(json.dumps(case[name]))
    return [
        *("--entity-types", str(tmp_path / "ner2idx.json")),
        *("--relation-types", str(tmp_path / "rel2idx.json")),
    ]


def test_import_checkpoint(labels, tmp_path, capsys):
    output = tmp_path / "imported"
    arguments = [
        "import-checkpoint",
        str(OFFICIAL / "official_state_dict.pt"),
        *("--encoder", str(OFFICIAL / "encoder")),
        *labels,
        *("--output", str(output)),
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(output)
    model = PFNModel.from_pretrained(output).eval()
    vectors = np.load(OFFICIAL / "vectors.npz")
    for index in range(4):
        ids = torch.tensor(vectors[f"single{index}_input_ids"]).reshape(1, -1)
        length = ids.shape[1]
        with torch.no_grad():
            tables = model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                position_index=torch.arange(length)[None],
                position_mask=torch.ones(1, length, dtype=torch.bool),
            )
        for name in ("entity_table", "relation_table"):
            expected = vectors[f"single{index}_{name}"]
            np.testing.assert_allclose(
                tables[name].sigmoid().reshape(expected.shape), expected, atol=1e-5
            )
    assert main(["predict", "--model", str(output), "John works for Acme Corp."]) == 0
    assert main(arguments) == 2
    assert "is there and not empty" in capsys.readouterr().err


def test_import_of_a_missing_file(labels, tmp_path, capsys):
    arguments = ["import-checkpoint", "nowhere.pt", "--encoder", str(OFFICIAL / "encoder")]
    assert main([*arguments, *labels, "--output", str(tmp_path / "x")]) == 2
    assert "FILE.pt: there is no file nowhere.pt" in capsys.readouterr().err
