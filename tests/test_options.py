"""Options are said once: command line, files, record, help and reference page agree."""

import ast
import json
import os
import re
from pathlib import Path

import pytest

from helpers.catalogues import entry, write_catalogue
from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import graph_folder
from pfn_kg.pipeline.arguments import Call, all_options, make_parser, parse, spelt
from pfn_kg.pipeline.build_phase import recorded_options, run_build
from pfn_kg.pipeline.cli import COMMANDS, command_help, command_module, main
from pfn_kg.pipeline.commands.extract import without_secrets
from pfn_kg.pipeline.manifest import read_extracted
from pfn_kg.pipeline.options_page import PAGE, options_page
from pfn_kg.schemas.assemble import assemble, printable
from pfn_kg.schemas.build_options import BuildOptions, RdfOptions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.schemas.load_options import LoadOptions, ServerOptions
from pfn_kg.schemas.options import options_of
from pfn_kg.schemas.rules import NearNameOptions
from pfn_kg.sinks.credentials import resolve

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "data" / "help"
FLAG = re.compile(r"--[a-z][a-z0-9-]*")


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.parametrize(
    "call", ["--help", "run --help", "run --help-all", "query --help", "train --help"]
)
def test_help_is_as_it_was_agreed(wide, capsys, call):
    assert main(call.split()) == 0
    said = capsys.readouterr()
    assert said.err == ""
    file = GOLDEN / f"{call.replace(' --', '-').removeprefix('--')}.txt"
    if "PFN_KG_WRITE_HELP" in os.environ:
        file.write_text(said.out)
    assert said.out == file.read_text()


def test_help_of_run_shows_ten_options_first(wide):
    text = command_help("run")
    first = text[text.index("Most used:") : text.index("More options:")]
    assert len(re.findall(r"^  --", first, re.MULTILINE)) == 10
    assert text.splitlines()[0] == "usage: pfn-kg run CORPUS... --output DIR [options]"


def test_the_reference_page_is_that_of_these_options():
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    assert page == options_page(), "run python -m pfn_kg.pipeline.options_page"


def names_on_the_page(command):
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## pfn-kg {command}\n(.*?)(?=^## |\Z)", page, re.S | re.M)
    rows = [line for line in section.splitlines() if line.startswith(("| `--", "As in"))]
    # Of a row the first cell; a group of another command is there by its names.
    cells = [row.split(" | ")[0] if row.startswith("|") else row.split("): ")[1] for row in rows]
    return {flag for cell in cells for flag in FLAG.findall(cell)}


def of_argparse(command):
    """Every option that the parser takes."""
    options = all_options(command_module(command).OPTIONS)
    parser = make_parser(command, "", options, {o.name: spelt(o) for o in options})
    return {flag for action in parser._actions for flag in action.option_strings}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_page_and_parser_have_the_same_options(wide, command):
    taken = {name for name in of_argparse(command) if not name.startswith("--no-")}
    on_page = names_on_the_page(command)
    assert {name for name in on_page if not name.startswith("--no-")} == taken
    described = set(re.findall(r"^  (--[a-z0-9-]+)", command_help(command, everything=True), re.M))
    assert described == taken
    shown = set(FLAG.findall(command_help(command))) - {"--help-all", "--runner"}
    assert described <= shown


def test_every_option_is_described():
    for command in COMMANDS:
        for option in all_options(command_module(command).OPTIONS):
            assert option.description, option.name
            assert option.place.group or option.place.positional, option.name


def another(option):
    """A value that is not the default."""
    if option.choices:
        return next(choice for choice in option.choices if choice != option.default)
    if option.kind == "switch":
        return not option.default
    return {"number": 0.85, "whole number": 3, "text": "en"}[option.kind]


def test_a_build_picks_up_every_recorded_option(tmp_path):
    """A new field that the record forgets fails here, without being named."""
    folder = write_folder(tmp_path / "run", DOCS)
    aliases = tmp_path / "aliases.csv"
    aliases.write_text("alias,canonical_name\nAda,Ada Lovelace\n")
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text('{"kind": "rename", "name": "Ada", "type": "PER", "new_name": "A."}')
    values = {o.name: another(o) for o in options_of(BuildOptions)}
    values |= {"rdf": True, "aliases": str(aliases), "base_iri": "https://other.example/"}
    values["corrections"] = str(corrections)
    values["catalogue"] = write_catalogue(tmp_path / "catalogue.parquet", entry("ada", "Ada"))
    del values["schema"]
    given = assemble(BuildOptions, values)
    assert {name for name in values if name in given.model_fields} <= given.model_fields_set
    run_build(folder, given)
    found = recorded_options(folder, read_extracted(folder))
    assert found.aliases == str(graph_folder(folder) / "aliases.parquet")
    assert found.corrections == str(graph_folder(folder) / "corrections.parquet")
    # The tag of names in RDF is recorded with the RDF too.
    elsewhere = {"aliases": None, "corrections": None, "rdf": None}
    assert found.changed(**elsewhere) == given.changed(**elsewhere)
    assert found.rdf == given.rdf.changed(language="en")


def test_options_of_a_group_that_is_off():
    assert assemble(BuildOptions, {"rdf": False, "provenance": "rdf12"}).rdf is None
    with pytest.raises(ConfigurationError, match="only together with `rdf`") as refused:
        assemble(BuildOptions, {"provenance": "rdf12"}, BuildOptions(rdf=None))
    assert refused.value.field == "provenance"
    with pytest.raises(ConfigurationError, match="only together with `fuzzy`"):
        assemble(BuildOptions, {"fuzzy_words": 1})
    near = BuildOptions(fuzzy=NearNameOptions(similarity=0.9))
    assert assemble(BuildOptions, {"fuzzy_words": "1"}, near).fuzzy == NearNameOptions(
        similarity=0.9, words=1
    )
    assert assemble(BuildOptions, {"fuzzy": "none"}, near).fuzzy is None
    assert assemble(BuildOptions, {"rdf": True}, BuildOptions(rdf=None)).rdf == RdfOptions()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"entity_threshold": "high"}, "entity_threshold: 'high' is not a number"),
        ({"entity_threshold": 2}, "entity_threshold: 2 is not between 0 and 1"),
        ({"entity_threshold": True}, "entity_threshold: True is not a number"),
        ({"sentences": 1}, "sentences: 1 is not true or false"),
        ({"rdf": "yes"}, "rdf: 'yes' is not true or false"),
        ({"acyclic_policy": "never"}, "acyclic_policy: 'never' is not one of drop, flag, keep"),
        ({"fuzzy": 0.5}, "fuzzy: 0.5 is not between 0.7 and 1, nor none"),
        ({"aliases": 3}, "aliases: 3 is not a text"),
    ],
)
def test_errors_name_the_field_and_say_no_flag(given, reason):
    with pytest.raises(ConfigurationError) as refused:
        assemble(BuildOptions, given)
    assert str(refused.value) == reason
    assert refused.value.field == next(iter(given))


def test_a_value_of_a_file_is_refused_with_the_file(tmp_path, capsys):
    config = tmp_path / "job.yaml"
    config.write_text("relation-threshold: 7\n")
    assert main(["build", "DIR", "--config", str(config)]) == 2
    line = f"pfn-kg: --relation-threshold: 7.0 is not between 0 and 1 (in {config})\n"
    assert capsys.readouterr().err == line.replace("7.0", "7")
    call = parse("build", command_module("build").OPTIONS, ["DIR", "--config", str(config)])
    assert call.given["relation_threshold"] == 7
    call = parse(
        "build",
        command_module("build").OPTIONS,
        ["DIR", "--config", str(config), "--relation-threshold", "0.5"],
    )
    assert call.of(BuildOptions).relation_threshold == 0.5
    assert call.files == {}


def test_a_password_is_never_said(tmp_path, capsys):
    config = tmp_path / "job.yaml"
    for password in ("hunter22", "12345678", "'hunter22'"):
        config.write_text(f"neo4j-password: {password}\n")
        call = ["load", "DIR", "--neo4j-uri", "bolt://localhost:1", "--config", str(config)]
        assert main(call) == 2
        said = capsys.readouterr()
        assert "--neo4j-password" in said.err
        assert password.strip("'") not in said.err + said.out
    with pytest.raises(ValueError, match="give env:NAME or file:PATH") as refused:
        ServerOptions(uri="bolt://localhost:1", password="hunter22")
    assert "hunter22" not in str(refused.value)
    server = ServerOptions(uri="bolt://localhost:1", password="env:SECRET")
    assert "SECRET" not in json.dumps(printable(LoadOptions(server=server)))
    assert without_secrets(["--s3_secret_access_key", "abc", "--streaming", "--x_token=abc"]) == [
        "--s3_secret_access_key",
        "...",
        "--streaming",
        "--x_token=...",
    ]


@pytest.mark.parametrize(
    ("beam", "shown"),
    [
        (["--environment_config={'env': {'P': 'SECRET'}}"], ["--environment_config=..."]),
        (["--environment_options", "a=SECRET", "b=SECRET", "--streaming"], None),
        (["--flink_conf={'s3.x': 'SECRET'}"], None),
        (["--job_endpoint=http://me:SECRET@host:1"], ["--job_endpoint=..."]),
        (["--experiments=password=SECRET"], ["--experiments=..."]),
        (["--experiments", "use_x", "api_key: SECRET"], ["--experiments", "use_x", "..."]),
        (["--s3_session_token", "SECRET", "SECRET"], ["--s3_session_token", "...", "..."]),
        (["--runner=FlinkRunner", "--parallelism=2"], ["--runner=FlinkRunner", "--parallelism=2"]),
        (["--temp_location=gs://b/t:1@x"], ["--temp_location=gs://b/t:1@x"]),
    ],
)
def test_secrets_among_options_of_beam(beam, shown):
    found = without_secrets(beam)
    assert "SECRET" not in json.dumps(found)
    assert shown is None or found == shown


def test_a_password_file_that_all_may_read(tmp_path, caplog):
    for mode, warnings in ((0o600, 0), (0o640, 0), (0o644, 1)):
        file = tmp_path / f"{mode:o}"
        file.write_text("hunter22\n")
        file.chmod(mode)
        caplog.clear()
        assert resolve(f"file:{file}") == resolve(f"file:{file}") == "hunter22"
        said = [record.getMessage() for record in caplog.records]
        assert len(said) == warnings
        assert all(str(file) in line and "hunter22" not in line for line in said)


def test_what_is_not_installed(capsys):
    said = how_to_install("matplotlib", "plots")
    assert said.startswith("matplotlib is not installed; install it by `pip install 'matplotlib>=")
    assert said.endswith("`pip install -c constraints.txt '.[plots]'` in a clone of the repository")
    assert "`pip install 'nosuch'`" in how_to_install("nosuch", "plots")


# The command line, what describes it, and Beam's options.
_KNOW_FLAGS = (
    "arguments.py",
    "cli.py",
    "help.py",
    "metrics_page.py",
    "options_page.py",
    "options.py",
)
# Commands of other programs or of this one, and a command to copy in a model card.
_OTHERS = {
    "sinks/neo4j/bulk_import.py",
    "pfn/training/model_card.py",
    "pipeline/mcp/sparql.py",
}
_IN_TEXT = re.compile(r"(^|[\s\"'`(])--[a-z]")


def test_no_layer_below_the_command_line_knows_flags():
    found = []
    for folder in ("schemas", "pfn", "transforms", "sinks", "pipeline"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT))
            if "commands" in path.parts or name in _OTHERS:
                continue
            if folder == "pipeline" and path.name in _KNOW_FLAGS:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found += [
                f"{name}:{node.lineno}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and _IN_TEXT.search(node.value)
            ]
    assert found == []


def test_a_call_gives_its_groups():
    call = Call("build", {"entity_threshold": "0.5", "graph": "g", "neo4j_uri": "bolt://h"})
    assert call.of(BuildOptions).entity_threshold == 0.5
    assert call.of(LoadOptions).server.uri == "bolt://h"
    with pytest.raises(ConfigurationError, match="only together with `neo4j_uri`"):
        Call("build", {"graph": "g"}).check_together((LoadOptions,), "neo4j_uri")
    Call("build", {"debug": True, "config": "x"}).check_together((LoadOptions,), "neo4j_uri")
