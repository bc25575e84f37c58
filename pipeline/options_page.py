"""The reference page of all options: `python -m pfn_kg.pipeline.options_page` writes it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from pfn_kg.pipeline.arguments import all_options, flag, spelt, usage, value_of, with_flags
from pfn_kg.pipeline.cli import COMMANDS, command_module
from pfn_kg.schemas.options import Option

#: Where the page stands in the repository.
PAGE = Path("docs") / "reference" / "options.md"

_HEAD = """\
<!-- Made by `python -m pfn_kg.pipeline.options_page`; edit the fields of the options instead. -->

# Options

Every option of every command. `pfn-kg COMMAND --help` shows the options that most calls need, and
`pfn-kg COMMAND --help-all` shows all of them.

Where a command takes `--config FILE.yaml`, the file holds the same options by name, with dashes or
underscores (`text-column: body`), and flags win over the file. Options of Apache Beam follow after
`--`; in the file they are a list called `beam`. A command that takes options of Beam says so below.

An option that turns something on and off has a second form: `--no-rdf` is the opposite of `--rdf`.
"""


def options_page() -> str:
    """The page as Markdown: a section a command, whose groups of options are tables."""
    parts = [_HEAD]
    # A group that several commands have in the same words is printed once.
    printed: dict[tuple[Option, ...], str] = {}
    for command, (_, description) in COMMANDS.items():
        module = command_module(command)
        options = all_options(module.OPTIONS)
        line = getattr(module, "USAGE", None) or usage(options)
        parts.append(f"## pfn-kg {command}\n")
        parts.append(f"{description[0].upper()}{description[1:]}.\n")
        parts.append(f"```\npfn-kg {command} {line}\n```\n")
        if getattr(module, "TAKES_BEAM_OPTIONS", False):
            parts.append("Options of Apache Beam may follow after `--`.\n")
        names = {o.name: f"`{spelt(o)}`" for o in options}
        for title, of_group in groupby(options, key=lambda o: o.place.group):
            group = tuple(of_group)
            parts.append(f"### {title or 'Arguments'}\n")
            if group in printed and len(group) > 1:
                listed = ", ".join(f"`{spelt(o)}`" for o in group)
                parts.append(
                    f"As in [pfn-kg {printed[group]}](#pfn-kg-{printed[group]}): {listed}.\n"
                )
            else:
                printed.setdefault(group, command)
                parts.append(_table(group, names))
    return "\n".join(parts)


def _table(options: Sequence[Option], names: dict[str, str]) -> str:
    lines = ["| option | value | default | what it does |", "| --- | --- | --- | --- |"]
    for option in options:
        both = option.kind == "switch" and option.place.negatable
        called = f"`{spelt(option)}`" + (f", `--no-{flag(option.name)[2:]}`" if both else "")
        default = "must be given" if option.required else option.default_text
        cells = (called, _value(option), default, option.description)
        texts = [with_flags(cell, names).replace("|", "\\|") for cell in cells]
        lines.append("".join(f"| {text} " if text else "| " for text in texts) + "|")
    return "\n".join(lines) + "\n"


def _value(option: Option) -> str:
    """Choices, or the kind of value with its range."""
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    if option.kind == "switch":
        return ""
    if option.place.positional:
        return option.kind
    shown = f"`{value_of(option)}`"
    return f"{shown}, {option.range}" if option.range else shown


def main() -> int:
    """Writes the page into the checkout that this runs in."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(options_page(), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
