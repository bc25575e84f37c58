"""The command line: help, exit codes, one line for what is wrong, plans, configuration files."""

import io
import json
from collections import Counter

import pytest
import yaml

from helpers.corpora import TEXTS, extract, process, write_corpus
from helpers.output_folders import read_manifest
from pfn_kg.pipeline.cli import COMMANDS, main
from pfn_kg.pipeline.options import pipeline_options
from pfn_kg.pipeline.progress import Progress, progress_line
from pfn_kg.schemas.errors import ConfigurationError


@pytest.fixture
def refused(capsys):
    """Runs a command that must be refused; gives the line it says."""

    def call(*arguments):
        assert main([str(a) for a in arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        line = said.err.rstrip("\n")
        assert line.startswith("pfn-kg: ")
        assert "\n" not in line
        return line

    return call


def test_help_names_all_commands(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr()
    assert all(f"\n    {name}" in said.out for name in COMMANDS)
    assert said.err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(capsys, command):
    assert main([command, "--help"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"usage: pfn-kg {command}")
    assert said.err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["run", "--no-such-option"],
        ["run", "c", "--output", "o", "--token-budget", "many"],
        ["run", "c", "--outp", "o"],
        ["build", "DIR", "--head-policy", "worst"],
    ],
)
def test_calls_that_make_no_sense(capsys, arguments):
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "pfn-kg" in said.err.splitlines()[-1]
    assert arguments[-1] in said.err or arguments[-2] in said.err


def test_no_command_is_an_error(capsys):
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "CORPUS"),
        (["corpus"], "--output"),
        (["corpus", "--output", "o", "--chunk-documents", "0"], "--chunk-documents"),
        (["corpus", "--output", "o", "--token-budget", "0"], "--token-budget"),
        (["corpus", "--output", "o", "--entity-floor", "1.5"], "--entity-floor"),
        (["corpus", "--output", "o", "--entity-threshold", "2"], "--entity-threshold"),
        (["corpus", "--output", "o", "--metadata-columns", "a,b,a"], "--metadata-columns"),
        (["corpus", "--output", "o", "--schema", "absent.yaml"], "--schema: absent.yaml"),
        (["corpus", "--output", "o", "--base-iri", "no iri"], "--base-iri"),
        (["corpus", "--output", "o", "--language", "zh_Hans"], "--label-language"),
        (["no/such/corpus", "--output", "o"], "no/such/corpus"),
    ],
)
def test_options_that_are_wrong(refused, tiny_model, tmp_path, monkeypatch, arguments, named):
    monkeypatch.chdir(tmp_path)
    assert named in refused("run", *arguments, "--model", tiny_model)
    assert list(tmp_path.iterdir()) == []


def test_options_of_beam(refused, tmp_path):
    out = tmp_path / "out"
    path = write_corpus(tmp_path / "a.parquet")
    assert "--no_such" in refused("run", path, "--output", out, "--", "--no_such=1")
    assert "--streaming" in refused("predict", "text", "--", "--streaming")
    assert not out.exists()
    with pytest.raises(ConfigurationError, match="direct_num_workers"):
        pipeline_options(["--direct_num_workers=many"])
    options = pipeline_options(["--direct_num_workers=2", "--runner=PrismRunner"])
    assert options.get_all_options()["direct_num_workers"] == 2
    assert options.get_all_options()["runner"] == "PrismRunner"
    assert "FnApiRunner" in pipeline_options([]).get_all_options()["runner"]


@pytest.mark.parametrize("command", ["run", "extract"])
def test_dry_run_writes_nothing(tmp_path, tiny_model, capsys, command):
    write_corpus(tmp_path / "in" / "a.parquet")
    (tmp_path / "in" / "b.parquet").write_bytes(b"")
    out = tmp_path / "out"
    call = [command, tmp_path / "in", "--output", out, "--model", tiny_model, "--dry-run"]
    assert main([str(a) for a in call]) == 0
    said = capsys.readouterr()
    plan = json.loads(said.out)
    assert said.err == ""
    assert plan["files"] == 2
    assert plan["unreadable_files"] == [str(tmp_path / "in" / "b.parquet")]
    assert plan["rows"] == len(TEXTS)
    assert not out.exists()


def config_file(folder, data):
    path = folder / "job.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data))
    return path


def test_configuration_file_and_flags_that_win(tmp_path, tiny_model, capsys):
    path = write_corpus(tmp_path / "a.parquet", body=TEXTS)
    config = config_file(
        tmp_path,
        {
            "corpus": str(path),
            "output": str(tmp_path / "out"),
            "model": str(tiny_model),
            "text-column": "body",
            "metadata_columns": ["title"],
            "token_budget": 77,
            "dry-run": True,
            "beam": ["--direct_num_workers=2"],
        },
    )
    assert main(["run", "--config", str(config), "--token-budget", "99"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["extract"]["corpus"] == [str(path)]
    assert plan["extract"]["text_column"] == "body"
    assert plan["extract"]["metadata_columns"] == ["title"]
    assert plan["extract"]["token_budget"] == 99
    assert plan["beam"] == ["--direct_num_workers=2"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("[1, 2]", "not a mapping"),
        ("a: [", "job.yaml"),
        ({"colour": 1}, "no option is called 'colour'"),
        ({"config": "x"}, "no option is called 'config'"),
        ({"token-budget": "many"}, "--token-budget"),
        ({"chunk_documents": 0}, "--chunk-documents"),
        ({"corpus": {"a": 1}}, "CORPUS: "),
        ({"precision": "fp3"}, "--precision"),
        ({"entity_threshold": "high"}, "--entity-threshold"),
        ({"head_policy": "worst"}, "--head-policy"),
        ({"max_rejected": "few"}, "--max-rejected"),
        ({"max_rejected": -1}, "--max-rejected"),
    ],
)
def test_configuration_file_that_is_wrong(refused, tmp_path, data, reason):
    config = config_file(tmp_path, data)
    path = write_corpus(tmp_path / "a.parquet")
    corpus = [] if "corpus" in data else [path]
    assert reason in refused("run", *corpus, "--output", tmp_path / "out", "--config", config)
    assert not (tmp_path / "out").exists()


def test_configuration_file_that_is_absent(refused, tmp_path):
    line = refused("run", "c", "--output", "o", "--config", tmp_path / "absent.yaml")
    assert "--config" in line
    assert "absent.yaml" in line


def test_rejected_rows_and_the_exit_code(tmp_path, tiny_model, capsys):
    path = write_corpus(tmp_path / "a.parquet", [TEXTS[0], None, ""])
    assert extract(path, tmp_path / "any", tiny_model) == 0
    assert "2 rejected" in capsys.readouterr().out
    assert extract(path, tmp_path / "two", tiny_model, "--max-rejected", "2") == 0
    assert extract(path, tmp_path / "one", tiny_model, "--max-rejected", "1") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "pfn-kg: 2 rows were rejected, more than 1"
    assert read_manifest(tmp_path / "one")["state"] == "extracted"


def test_build_of_what_is_no_run(refused, tmp_path):
    assert str(tmp_path) in refused("build", tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    assert "manifest.json" in refused("build", tmp_path)
    (tmp_path / "manifest.json").write_text('{"state": "extracting"}')
    assert "--resume" in refused("build", tmp_path)


def test_errors_of_a_run_are_one_line_but_for_debug(monkeypatch, capsys):
    def fail(*_):
        try:
            raise OSError("disk is full [while running 'Extract/Write']")
        except OSError as error:
            raise RuntimeError("Traceback ...\nlots\nof lines") from error

    monkeypatch.setattr("pfn_kg.pipeline.commands.schema.main", fail)
    assert main(["schema", "x"]) == 1
    assert capsys.readouterr().err == "pfn-kg: disk is full\n"
    with pytest.raises(RuntimeError):
        main(["schema", "x", "--debug"])


def test_results_and_progress_of_a_process(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "a.parquet")
    done = process("extract", path, "--output", tmp_path / "out", "--model", tiny_model)
    out, err = done.communicate(timeout=500)
    assert done.returncode == 0
    assert out.startswith(f"{tmp_path / 'out'}: 5 documents, 8 sentences, ")
    assert out.count("\n") == 1
    # No noise beside the progress.
    assert err.splitlines()[-1].startswith("extract: 5/5 documents, 8 sentences (")
    assert all(line.startswith("extract: ") for line in err.splitlines())


def test_progress_line():
    counts = Counter(rows=50, sentences=200, mentions=300, head_triples=40, rejected=2)
    assert progress_line(counts, 100, 1150, 10) == (
        "extract: 150/1150 documents, 200 sentences (20/s), 300 mentions and "
        "40 head triples above the floor, 2 rejected, 3 min left"
    )
    assert progress_line(counts, 0, 50, 10).endswith("0 s left")
    assert progress_line(Counter(), 0, 50, 10).endswith("unknown left")
    assert progress_line(counts, 0, 100_050, 10).endswith("5.6 h left")


def test_progress_counts_what_is_new():
    batches = [[{"rows": 10, "sentences": 5}], [{"rows": 1, "sentences": 2}], []]
    said = io.StringIO()
    with Progress(20, lambda: batches.pop(0) if batches else [], said, seconds=3600):
        pass
    assert said.getvalue().startswith("extract: 11/20 documents, 2 sentences (")


def test_an_interrupted_command_fails(monkeypatch, capsys):
    from pfn_kg.pipeline.commands import schema

    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "main", interrupted)
    assert main(["schema", "x"]) == 130
    assert capsys.readouterr().err == "pfn-kg: interrupted\n"
