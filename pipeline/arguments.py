"""The command line of one command, made from its groups of options: its parser, and one call."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml

from pfn_kg.pipeline.logs import LogFormat
from pfn_kg.schemas.assemble import assemble
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.options import Option, Options, option, options_of

#: Arguments that may not be in a configuration file.
_ONLY_FLAGS = ("config", "debug")

_FIRST_GROUPS = (
    "",
    "Corpus and output",
    "Documents",
    "Data",
    "Model",
    "Thresholds and schema",
    "Rules of the label schema",
    "Names of one entity",
)

_QUOTED = re.compile(r"`([a-z][a-z0-9_]*)`")
_MISSING = re.compile(r"the following arguments are required: ([^,]+)")

_Group = TypeVar("_Group", bound=Options)


class ConfigOptions(Options):
    """The option that names a file of options."""

    config: str | None = option(
        None,
        "YAML file of all these options; flags win",
        group="Job",
        metavar="FILE.yaml",
        common=True,
    )


class WorkerOptions(Options):
    """What is known of the workers of a pipeline."""

    shared_paths: bool = option(
        False,
        "workers on other machines see the local paths of this call, on a file system that all of "
        "them have mounted",
        group="Job",
    )


class LogOptions(Options):
    """How a job speaks on standard error."""

    log_format: LogFormat = option(
        "text",
        "of all lines on standard error; json: one object a line, for programs that collect them",
        group="Job",
    )


class JobOptions(ConfigOptions, WorkerOptions, LogOptions):
    """The options of a job as a whole."""

    max_rejected: int | None = option(
        None,
        "exit with 1 if more rows than that are rejected",
        group="Job",
        metavar="N",
        default_text="any number is fine",
        ge=0,
    )


class LockOptions(Options):
    """What to do where another command holds the folder."""

    take_over: bool = option(
        False,
        "write the folder although another command says that it does; for one that was killed "
        "on another machine",
        group="Job",
    )


class DebugOptions(Options):
    """The option that every command takes."""

    debug: bool = option(False, "show the traceback of an error", group="Job")


@dataclass
class Call:
    """One call of a command.

    Attributes:
        command: its name.
        given: the options that flags or a configuration file gave, by flat name.
        beam: Beam's own options.
        files: of the options that came from a configuration file, that file.
    """

    command: str
    given: dict[str, Any]
    beam: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def of(self, group: type[_Group], base: _Group | None = None) -> _Group:
        """A group of options as it was given; `base` or the defaults hold for the rest.

        Raises:
            ConfigurationError: names the option and the reason.
        """
        return assemble(group, self.given, base)

    def check_together(self, groups: Sequence[type[Options]], needed: str) -> None:
        """Refuses options of groups that mean nothing without another one.

        Args:
            groups: whose options were given.
            needed: the option that was not.

        Raises:
            ConfigurationError: names the option.
        """
        for name in (option_.name for option_ in all_options(groups)):
            if name in self.given and name not in (needed, *_ONLY_FLAGS):
                raise ConfigurationError(f"only together with `{needed}`", field=name)


def all_options(groups: Sequence[type[Options]]) -> tuple[Option, ...]:
    """The options of a command, each once, in the order in which help lists them.

    Args:
        groups: of the command, without those that all commands have.
    """
    by_name: dict[str, Option] = {}
    all_groups: list[type[Options]] = [*groups, DebugOptions]
    for group in all_groups:
        for option_ in options_of(group):
            by_name.setdefault(option_.name, option_)
    titles = list(dict.fromkeys(o.place.group for o in by_name.values()))
    order = sorted(titles, key=_rank)
    return tuple(sorted(by_name.values(), key=lambda o: order.index(o.place.group)))


def _rank(title: str) -> int:
    """Where a group of options is listed: what is read first, what is of every job last."""
    if title in _FIRST_GROUPS:
        return _FIRST_GROUPS.index(title) - len(_FIRST_GROUPS)
    return int(title == "Job")


def flag(name: str) -> str:
    """An option as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def spelt(option_: Option) -> str:
    """An option as people call it: a flag, or the word for a positional argument."""
    return option_.place.metavar if option_.place.positional else flag(option_.name)


def value_of(option_: Option) -> str:
    """What help shows for the value of an option; empty for a switch."""
    if option_.kind == "switch":
        return ""
    return option_.place.metavar or "|".join(option_.choices) or "VALUE"


def with_flags(text: str, names: Mapping[str, str]) -> str:
    """A text in which names of options between backquotes become flags.

    Args:
        text: of an error or a description.
        names: how each option is spelt.
    """
    return _QUOTED.sub(lambda m: names.get(m[1], m[0]), text)


def description_of(option_: Option, names: Mapping[str, str]) -> str:
    """What an option does, and what holds without it."""
    default = option_.default_text
    return with_flags(
        f"{option_.description}; default: {default}" if default else option_.description, names
    )


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are ours: one line, and no exit."""

    def error(self, message: str) -> NoReturn:
        if missing := _MISSING.match(message):
            raise ConfigurationError(f"{missing[1]}: is missing; see {self.prog} --help")
        message = message.removeprefix("argument ")
        raise ConfigurationError(f"{message}; see {self.prog} --help")


def make_parser(
    prog: str, description: str, options: Sequence[Option], names: Mapping[str, str]
) -> argparse.ArgumentParser:
    """A parser of options, which also lays out their help.

    Args:
        prog: the command as it is called.
        description: what it does.
        options: in the order in which help lists them.
        names: how each option is spelt, for descriptions that mention others.
    """
    parser = _Parser(
        prog=prog,
        usage=f"{prog} {usage(options)}",
        description=description,
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
        formatter_class=_formatter,
    )
    for title, of_group in groupby(options, key=lambda o: o.place.group):
        group = parser.add_argument_group(title or "Arguments")
        for option_ in of_group:
            _add(group, option_, names)
    return parser


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=36)


def _add(group: argparse._ArgumentGroup, option_: Option, names: Mapping[str, str]) -> None:
    # A percent sign is argparse's.
    help_ = description_of(option_, names).replace("%", "%%")
    place = option_.place
    if place.positional:
        many = {} if place.positional == "1" else {"nargs": place.positional}
        group.add_argument(option_.name, metavar=place.metavar, help=help_, **many)  # type: ignore[arg-type]
    elif option_.kind == "switch" and place.negatable:
        group.add_argument(
            flag(option_.name),
            dest=option_.name,
            action=argparse.BooleanOptionalAction,
            default=argparse.SUPPRESS,
            help=help_,
        )
    elif option_.kind == "switch":
        group.add_argument(
            flag(option_.name),
            dest=option_.name,
            action="store_true",
            default=argparse.SUPPRESS,
            help=help_,
        )
    else:
        group.add_argument(
            flag(option_.name),
            dest=option_.name,
            metavar=value_of(option_),
            nargs="*" if place.many else None,
            help=help_,
        )


def usage(options: Sequence[Option]) -> str:
    """The usage line without the command: positional arguments and what must be given."""
    dots = {"*": "...", "+": "...", "1": "", "?": ""}
    parts = [
        f"[{o.place.metavar}]"
        if o.place.positional == "?"
        else f"{o.place.metavar}{dots[o.place.positional]}"
        for o in options
        if o.place.positional
    ]
    parts += [f"{flag(o.name)} {value_of(o)}" for o in options if _is_asked_for(o)]
    return " ".join([*parts, "[options]"])


def _is_asked_for(option_: Option) -> bool:
    # What is required in a group that may be absent is not required of the call.
    return option_.required and len(option_.path) == 1 and not option_.place.positional


def parse(
    command: str,
    groups: Sequence[type[Options]],
    arguments: Sequence[str],
    call: Call | None = None,
) -> Call:
    """Reads the arguments of a command, and the configuration file that they name.

    Args:
        command: its name.
        groups: its options.
        arguments: what follows the command; Beam's options follow `--`.
        call: what is filled in; it holds what was read when an error is raised.

    Raises:
        ConfigurationError: if an argument is unknown or lacks its value, or the file is wrong.
    """
    beam: list[str] = []
    arguments = list(arguments)
    if "--" in arguments:
        at = arguments.index("--")
        arguments, beam = arguments[:at], arguments[at + 1 :]
    options = all_options(groups)
    names = {o.name: spelt(o) for o in options}
    parser = make_parser(f"pfn-kg {command}", "", options, names)
    call = call or Call(command, {})
    call.beam = beam
    call.given = vars(parser.parse_args(arguments))
    if call.given.get("config"):
        _add_config(call, call.given["config"], [o.name for o in options])
    return call


def _add_config(call: Call, path: str, names: Sequence[str]) -> None:
    """Adds what a configuration file says and flags don't."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"{path}: {reason}", field="config") from None
    if not isinstance(config, dict):
        raise ConfigurationError(f"{path}: not a mapping of options", field="config")
    for key, value in config.items():
        name = str(key).replace("-", "_")
        if name == "beam" and isinstance(value, list):
            call.beam[:0] = map(str, value)
        elif name not in names or name in _ONLY_FLAGS:
            raise ConfigurationError(f"{path}: no option is called {key!r}", field="config")
        elif name not in call.given and value is not None:
            call.given[name] = value
            call.files[name] = path
