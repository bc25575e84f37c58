"""The command line: `pfn-kg COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence

from pfn_kg.pipeline.logs import configure_logging
from pfn_kg.schemas.errors import ConfigurationError

#: Command: module in `pfn_kg.pipeline.commands`, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "extract a corpus, then build the graph"),
    "extract": ("extract", "run the model over a corpus, chunk by chunk"),
    "build": ("build", "build the graph from extractions, without the model"),
    "remove": ("remove", "take documents out and build the graph again"),
    "predict": ("predict", "mentions and triples of a text"),
    "train": ("train", "train a model"),
    "evaluate": ("evaluate", "score a model on annotated sentences"),
    "evaluate-graph": ("evaluate_graph", "score the whole pipeline on annotated documents"),
    "import-checkpoint": ("import_checkpoint", "turn an official PFN checkpoint into one of ours"),
    "load": ("load", "load the graph of a run into Neo4j"),
    "export": ("export", "write the graph of a run as RDF, or as files for Neo4j's importer"),
    "query": ("query", "ask the RDF of a run in SPARQL"),
    "schema": ("schema", "print the label schema of a model or a run as YAML"),
}

# What Beam adds to the message of an error.
_BEAM_STEP = re.compile(r" \[while running '[^']*'\]")

#: Commands of the interface that are not built yet.
NOT_BUILT = ("report",)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        0: done; 1: the run failed; 2: the call or the configuration is wrong.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((a for a in arguments if not a.startswith("-")), None)
    if command in NOT_BUILT:
        return _complain(f"{command}: this command is not built yet", 2)
    parser = _parser(command)
    # What follows `--` is Beam's.
    beam: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, beam = arguments[:at], arguments[at + 1 :]
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    args.beam = beam
    if args.command is None:
        parser.print_help()
        return 2
    configure_logging(args.debug)
    module = importlib.import_module(f"pfn_kg.pipeline.commands.{COMMANDS[args.command][0]}")
    try:
        if beam and not getattr(module, "TAKES_BEAM_OPTIONS", False):
            raise ConfigurationError(f"{beam[0]}: {args.command} takes no options of Beam")
        return module.main(args)
    except ConfigurationError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain("interrupted", 1)
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if args.debug:
            raise
        return _complain(_reason(error), 1)


def _parser(command: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pfn-kg", description="Document corpora to knowledge graphs."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (module, help_) in COMMANDS.items():
        sub = commands.add_parser(name, help=help_, description=help_, allow_abbrev=False)
        sub.add_argument("--debug", action="store_true", help="show where an error comes from")
        # Only the module of the command that is called is loaded.
        if name == command:
            importlib.import_module(f"pfn_kg.pipeline.commands.{module}").add_arguments(sub)
    return parser


def _complain(message: str, code: int) -> int:
    line = " ".join(message.split())
    print(f"pfn-kg: {line}", file=sys.stderr)
    return code


def _reason(error: BaseException) -> str:
    """The first cause of an error, which runners wrap more than once."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = _BEAM_STEP.sub("", str(error).strip()) or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "Traceback (most recent call last):" in text:
        # A worker's traceback: its last line says what happened.
        inner = [line for line in lines if ": " in line and not line.startswith(("File ", '"'))]
        return inner[-1] if inner else lines[-1]
    return lines[0] if isinstance(error, OSError) else f"{type(error).__name__}: {lines[0]}"


if __name__ == "__main__":
    sys.exit(main())
