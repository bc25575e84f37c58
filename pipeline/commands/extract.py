"""`pfn-kg extract`: the first phase alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import yaml

from pfn_kg.pipeline.commands.predict import add_window_argument
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.job import ExtractOptions

TAKES_BEAM_OPTIONS = True

_EXTRACT_FIELDS = tuple(name for name in ExtractOptions.model_fields if name != "into")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `extract`."""
    add_extract_arguments(parser)
    add_job_arguments(parser)


def add_extract_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is read, by which model, and where it goes."""
    parser.add_argument(
        "corpus", nargs="*", metavar="CORPUS", help="Parquet files, folders or globs"
    )
    group = parser.add_argument_group("extract")
    group.add_argument("--output", metavar="DIR", help="output folder")
    group.add_argument("--into", metavar="DIR", help="graph that new and changed documents go into")
    group.add_argument("--id-column", metavar="NAME", help="default: id; none: from content")
    group.add_argument("--text-column", metavar="NAME", help="default: text")
    group.add_argument("--title-column", metavar="NAME", help="default: title, if there is one")
    group.add_argument("--metadata-columns", metavar="A,B", help="columns kept with documents")
    group.add_argument("--language", metavar="CODE", help="of the texts; default: en")
    group.add_argument("--model", metavar="NAME_OR_DIR", help="default: the shipped model")
    group.add_argument("--device", help="auto (default), cpu, cuda ...")
    group.add_argument("--precision", help="auto (default), fp32, fp16 or bf16")
    group.add_argument("--token-budget", type=int, metavar="N", help="word pieces in a batch")
    add_window_argument(group)
    group.add_argument("--chunk-documents", type=int, metavar="N", help="default: 500")
    group.add_argument(
        "--entity-floor", type=float, metavar="P", help="keep mentions from this score on"
    )
    group.add_argument(
        "--relation-floor", type=float, metavar="P", help="keep head triples from this score on"
    )
    group.add_argument(
        "--resume", action="store_true", default=None, help="go on with an unfinished run"
    )
    group.add_argument(
        "--dry-run", action="store_true", default=None, help="validate all and print the plan"
    )


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a whole job."""
    group = parser.add_argument_group("job")
    group.add_argument("--config", metavar="FILE.yaml", help="all of these options; flags win")
    group.add_argument("--max-rejected", type=int, metavar="N", help="exit with 1 beyond that many")
    parser.epilog = "Options of Apache Beam follow after --, such as -- --runner=FlinkRunner"


def apply_config(args: argparse.Namespace) -> None:
    """Fills in, from the file of --config, the options that were not given.

    Raises:
        ConfigurationError: if the file can't be read or has an unknown option.
    """
    if not args.config:
        _check_max_rejected(args)
        return
    try:
        with open(args.config, encoding="utf-8") as file:
            config = yaml.safe_load(file) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"--config: {args.config}: {reason}") from None
    if not isinstance(config, dict):
        raise ConfigurationError(f"--config: {args.config}: not a mapping of options")
    for key, value in config.items():
        name = str(key).replace("-", "_")
        if name == "beam" and isinstance(value, list):
            args.beam = [*map(str, value), *args.beam]
        elif not hasattr(args, name) or name in ("config", "command", "debug"):
            raise ConfigurationError(f"--config: {args.config}: no option is called {key!r}")
        elif getattr(args, name) in (None, []):
            if name == "corpus" and isinstance(value, str):
                value = [value]
            setattr(args, name, value)
    _check_max_rejected(args)


def _check_max_rejected(args: argparse.Namespace) -> None:
    most = args.max_rejected
    if most is not None and (type(most) is not int or most < 0):
        raise ConfigurationError(f"--max-rejected: {most!r} is not a number of rows")


def extract_options(args: argparse.Namespace) -> ExtractOptions:
    """The options of the extract phase from the command line.

    Raises:
        ConfigurationError: if one is wrong.
    """
    if not args.corpus:
        raise ConfigurationError("CORPUS: name at least one Parquet file, folder or glob")
    if args.into and args.output:
        raise ConfigurationError("--into: not together with --output")
    if args.into and args.resume:
        raise ConfigurationError("--resume: --into goes on where it stood without it")
    if not args.output and not args.into:
        raise ConfigurationError("--output: name the output folder")
    data: dict[str, Any] = {}
    for name in _EXTRACT_FIELDS:
        value = getattr(args, name, None)
        if value is not None:
            data[name] = value
    if args.into:
        data |= {"output": args.into, "into": True}
    if isinstance(data.get("metadata_columns"), str):
        names = [name.strip() for name in data["metadata_columns"].split(",")]
        data["metadata_columns"] = [name for name in names if name]
    return ExtractOptions.from_dict(data)


def print_plan(prepared: Any, beam: Sequence[str]) -> None:
    """Prints what a run would do, as JSON."""
    plan = {
        "files": len(prepared.plan.files),
        "unreadable_files": [f.path for f in prepared.plan.files if f.error],
        "rows": prepared.plan.rows,
        "runs": len(prepared.plan.runs),
        "model": {"name": prepared.model, "hash": prepared.model_hash},
        "extract": prepared.options.model_dump(),
        "beam": list(beam),
    }
    print(json.dumps(plan, indent=2, ensure_ascii=False))


def unchanged_rows(manifest: dict[str, Any]) -> str:
    """What a line of results says of an update, after the number of documents that it read."""
    unchanged = manifest["extract"].get("unchanged_rows")
    return "" if unchanged is None else f" new or changed and {unchanged} rows unchanged"


def rejected_code(rejected: int, most: int | None) -> int:
    """The exit code for that many rejected rows."""
    if most is not None and rejected > most:
        print(f"pfn-kg: {rejected} rows were rejected, more than {most}", file=sys.stderr)
        return 1
    return 0


def main(args: argparse.Namespace) -> int:
    """Runs the command."""
    apply_config(args)
    options = extract_options(args)
    from pfn_kg.pipeline.extract_phase import extract, prepare_extraction
    from pfn_kg.pipeline.options import pipeline_options

    pipeline_options(args.beam)
    prepared = prepare_extraction(options)
    if args.dry_run:
        print_plan(prepared, args.beam)
        return 0
    manifest = extract(prepared, args.beam)
    counts = manifest["extract"]["counts"]
    print(
        f"{options.output}: {counts.get('documents', 0)} documents{unchanged_rows(manifest)}, "
        f"{counts.get('sentences', 0)} sentences, {counts.get('mentions', 0)} mentions and "
        f"{counts.get('head_triples', 0)} head triples above the floor, "
        f"{counts.get('rejected', 0)} rejected, {manifest['extract']['seconds']:.1f} s"
    )
    return rejected_code(counts.get("rejected", 0), args.max_rejected)
