"""What `pfn-kg COMMAND --help` prints: the common options first, and the names of all others."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from pfn_kg.pipeline.arguments import all_options, flag, make_parser, spelt, usage
from pfn_kg.schemas.options import Option, Options

#: Commands with more options than these show the common ones first, and all by `--help-all`.
LONG_HELP = 24


def is_long(options: Sequence[Option]) -> bool:
    """Whether help shows the common options first, and the rest only when asked."""
    return len(options) > LONG_HELP


def help_text(
    command: str,
    description: str,
    groups: Sequence[type[Options]],
    *,
    everything: bool = False,
    usage_line: str | None = None,
    epilog: str | None = None,
    takes_beam_options: bool = False,
) -> str:
    """What `--help` prints: the common options, and the names of all others by group.

    Args:
        command: its name.
        description: what it does.
        groups: its options.
        everything: whether all options are described (`--help-all`).
        usage_line: what follows the command in the line of usage, where it is not told by the
            options.
        epilog: what else is to be said.
        takes_beam_options: whether Beam's options may follow.
    """
    options = all_options(groups)
    names = {o.name: spelt(o) for o in options}
    short = is_long(options) and not everything
    shown: Sequence[Option] = options
    if short:
        common = [o for o in options if o.place.common and not o.place.positional]
        shown = [o for o in options if o.place.positional]
        shown += [o._replace(place=replace(o.place, group="Most used")) for o in common]
    sentence = f"{description[0].upper()}{description[1:]}."
    parser = make_parser(f"pfn-kg {command}", sentence, shown, names)
    parser.usage = f"pfn-kg {command} {usage_line or usage(options)}"
    notes = []
    if epilog:
        notes.append(_wrapped(epilog))
    if short:
        notes.append(_listed([o for o in options if o not in common and not o.place.positional]))
        notes.append(
            _wrapped(
                f"`pfn-kg {command} --help-all` describes every option; so does "
                "docs/reference/options.md."
            )
        )
    if takes_beam_options:
        notes.append(
            _wrapped("Options of Apache Beam follow after --, such as -- --runner=FlinkRunner.")
        )
    parser.epilog = "\n\n".join(notes) or None
    return parser.format_help()


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text,
        shutil.get_terminal_size().columns - 2,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _listed(options: Sequence[Option]) -> str:
    """Names of options, a paragraph a group."""
    width = shutil.get_terminal_size().columns - 2
    lines = ["More options:"]
    for title, of_group in groupby(options, key=lambda o: o.place.group):
        lines.append(f"  {title}:")
        listed = ", ".join(flag(o.name) for o in of_group)
        lines += textwrap.wrap(
            listed,
            width,
            initial_indent=4 * " ",
            subsequent_indent=4 * " ",
            break_on_hyphens=False,
            break_long_words=False,
        )
    return "\n".join(lines)
