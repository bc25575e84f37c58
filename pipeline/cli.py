"""The command line: `pfn-kg COMMAND`."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import re
import shutil
import sys
import textwrap
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType

from pfn_kg.pipeline.arguments import (
    Call,
    LogOptions,
    all_options,
    parse,
    spelt,
    with_flags,
)
from pfn_kg.pipeline.help import help_text
from pfn_kg.pipeline.interruption import end_on_signals
from pfn_kg.pipeline.logs import LogFormat, configure_logging, tell
from pfn_kg.pipeline.places import check_places
from pfn_kg.pipeline.telemetry import telemetry
from pfn_kg.schemas.errors import ConfigurationError, StepError

#: Command: module in `pfn_kg.pipeline.commands`, and what it does.
COMMANDS: dict[str, tuple[str, str]] = {
    "ingest": ("ingest", "make a corpus of JSON lines, CSV, text, Markdown, HTML or PDF files"),
    "run": ("run", "extract a corpus, then build the graph"),
    "extract": ("extract", "run the model over a corpus, chunk by chunk"),
    "wait": ("wait", "wait for a job that --detach has left, and do the rest"),
    "build": ("build", "build the graph from extractions, without the model"),
    "catalogue": ("catalogue", "make a catalogue of things with IRIs, which builds link to"),
    "remove": ("remove", "take documents out and build the graph again"),
    "retry": ("retry", "read what was rejected once more"),
    "compact": ("compact", "put the extractions of many updates into fewer files"),
    "predict": ("predict", "mentions and triples of a text"),
    "train": ("train", "train a model"),
    "evaluate": ("evaluate", "score a model on annotated sentences"),
    "evaluate-graph": ("evaluate_graph", "score the whole pipeline on annotated documents"),
    "import-checkpoint": ("import_checkpoint", "turn an official PFN checkpoint into one of ours"),
    "load": ("load", "load the graph of a run into Neo4j"),
    "export": ("export", "write the graph of a run as RDF, GraphML, GEXF, CSV or other files"),
    "query": ("query", "ask the RDF of a run in SPARQL"),
    "search": ("search", "find the sentences that answer a question, with their facts"),
    "show": ("show", "show the facts of an entity with their best sentences"),
    "status": ("status", "tell the state of an output folder, and what is left to do"),
    "history": ("history", "tell what was done to an output folder, and what came out"),
    "diff": ("diff", "tell what is new, gone or changed between two graphs"),
    "view": ("view", "show the graph of a run in a browser"),
    "mcp": ("mcp", "serve the graph of a run to an assistant (Model Context Protocol)"),
    "report": ("report", "write a page about the graph of a run, to send around"),
    "verify": ("verify", "check that a graph holds what its documentation promises"),
    "rollback": ("rollback", "go back to the graph before the last build"),
    "corrections": ("corrections", "what corrections did, and what they teach"),
    "schema": ("schema", "print the label schema of a model or a run as YAML"),
}

# What Beam adds to the message of an error.
_BEAM_STEP = re.compile(r" \[while running '[^']*'\]")

#: When the garbage collector of a command's process runs, as `gc.set_threshold` takes it; Python's
#: own defaults are 700, 10 and 10.
COLLECTION_THRESHOLDS = (200_000, 20, 20)

_HELP = ("-h", "--help", "--help-all")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; without arguments that of this process, which it ends.

    Args:
        argv: arguments; those of the process by default.

    Returns:
        0: done; 1: the run failed; 2: the call or the configuration is wrong; 130: interrupted
            (docs/reference/exit_codes.md).
    """
    if argv is not None:
        # Whoever calls this function from a program of their own has handlers of their own.
        return _run(list(argv))
    # Options of that name are spelt alike in all commands.
    end_on_signals(lambda text: with_flags(text, _spellings(Call("run", {}))))
    # Imports make a million objects that stay, among which nothing is to be found.
    gc.set_threshold(*COLLECTION_THRESHOLDS)
    return _leave(_run(sys.argv[1:]))


def _leave(code: int) -> int:
    """Ends this process without taking its libraries to pieces, which takes long."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        code = code or 1
    except OSError as error:
        code = code or _complain(f"standard output: {error.strerror or error}", 1)
    with suppress(OSError):
        sys.stderr.flush()
    if any(
        thread is not threading.current_thread() and not thread.daemon
        for thread in threading.enumerate()
    ):
        return code  # the interpreter waits for it
    atexit._run_exitfuncs()  # such as those that delete temporary folders
    os._exit(code)


def _run(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else (None, [])
    if command == "--version":
        from pfn_kg import __version__

        print(f"pfn-kg {__version__}")
        return 0
    if command is None or command in _HELP:
        print(overview())
        return 2 if command is None else 0
    if command not in COMMANDS:
        kind = "option" if command.startswith("-") else "command"
        return _complain(f"{command}: no {kind} of pfn-kg; see pfn-kg --help", 2)
    module = command_module(command)
    own = rest[: rest.index("--")] if "--" in rest else rest
    for asked in _HELP:
        if asked in own:
            print(command_help(command, everything=asked == "--help-all"), end="")
            return 0
    call = Call(command, {})
    try:
        call = parse(command, module.OPTIONS, rest, call)
        configure_logging(bool(call.given.get("debug")), _log_format(call, module))
        if call.beam and not getattr(module, "TAKES_BEAM_OPTIONS", False):
            raise ConfigurationError(f"{call.beam[0]}: {command} takes no options of Beam")
        check_places(call.given, call.beam)
        with telemetry(command):
            code: int = module.main(call)
        return code
    except ConfigurationError as error:
        return _complain(explain(error, call), 2)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except BrokenPipeError:
        # Whoever read our output has enough of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if call.given.get("debug"):
            raise
        return _complain(_reason(error, call), 1)


def _log_format(call: Call, module: ModuleType) -> LogFormat:
    is_known = any(option.name == "log_format" for option in all_options(module.OPTIONS))
    return call.of(LogOptions).log_format if is_known else "text"


def command_module(command: str) -> ModuleType:
    """The module of a command: `OPTIONS`, `main(call)` and, where wanted, `USAGE` and so on."""
    return importlib.import_module(f"pfn_kg.pipeline.commands.{COMMANDS[command][0]}")


def overview() -> str:
    """What `pfn-kg --help` prints."""
    width = shutil.get_terminal_size().columns - 2
    column = max(map(len, COMMANDS)) + 6
    lines = [
        "usage: pfn-kg COMMAND ...",
        "",
        "Document corpora to knowledge graphs.",
        "",
        "COMMAND:",
    ]
    for name, (_, help_) in COMMANDS.items():
        lines += textwrap.wrap(
            help_, width, initial_indent=f"    {name}".ljust(column), subsequent_indent=" " * column
        )
    lines += [
        "",
        *textwrap.wrap(
            "Exit codes: 0: done; 1: failed, or not all is as it should be; 2: wrong call, "
            "configuration or input; 130 and 143: interrupted (docs/reference/exit_codes.md).",
            width,
        ),
        "",
        "pfn-kg COMMAND --help describes a command; pfn-kg --version prints the version.",
    ]
    return "\n".join(lines)


def command_help(command: str, *, everything: bool = False) -> str:
    """What `pfn-kg COMMAND --help` prints.

    Args:
        command: its name.
        everything: whether all options are described (`--help-all`).
    """
    module = command_module(command)
    return help_text(
        command,
        COMMANDS[command][1],
        module.OPTIONS,
        everything=everything,
        usage_line=getattr(module, "USAGE", None),
        epilog=getattr(module, "EPILOG", None),
        takes_beam_options=getattr(module, "TAKES_BEAM_OPTIONS", False),
    )


def _spellings(call: Call) -> dict[str, str]:
    """How options are spelt: those of this command, then those of all others."""
    names: dict[str, str] = {}
    for command in (call.command, *COMMANDS):
        for option in all_options(command_module(command).OPTIONS):
            names.setdefault(option.name, spelt(option))
    return names


def explain(error: ConfigurationError, call: Call) -> str:
    """An error as the command line says it: with flags, and the file that a value came from."""
    names = _spellings(call)
    reason = with_flags(error.reason, names)
    if error.field is None:
        return reason
    flag = names.get(error.field, f"--{error.field.replace('_', '-')}")
    file = call.files.get(error.field)
    return f"{flag}: {reason}" + (f" (in {file})" if file else "")


def _complain(message: str, code: int) -> int:
    line = " ".join(message.split())
    tell(f"pfn-kg: {line}", level="ERROR", exit_code=code)
    return code


def _reason(error: BaseException, call: Call) -> str:
    """The first cause of an error, which runners wrap more than once."""
    while error.__cause__ is not None:
        was, error = error, error.__cause__
        if isinstance(was, StepError):
            break  # the step says what happened; what made it say so is its own affair
    if isinstance(error, ConfigurationError):
        return explain(error, call)
    text = _BEAM_STEP.sub("", str(error).strip()) or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if "Traceback (most recent call last):" in text:
        # A worker's traceback: its last line says what happened.
        inner = [line for line in lines if ": " in line and not line.startswith(("File ", '"'))]
        reason = inner[-1] if inner else lines[-1]
    else:
        reason = lines[0] if isinstance(error, OSError) else f"{type(error).__name__}: {lines[0]}"
    return with_flags(reason, _spellings(call)) if "`" in reason else reason


if __name__ == "__main__":
    sys.exit(main())
