"""The options of the commands that show a graph in a browser."""

from __future__ import annotations

from pydantic import field_validator

from pfn_kg.schemas.options import Options, option

#: The address that only this machine reaches.
LOOPBACK = "127.0.0.1"

_SERVER = "Server"
_CORRECTIONS = "Corrections"
_REPORT = "Report"


class ViewOptions(Options):
    """Which graph is shown, to whom, and whether it can be corrected.

    Attributes:
        directory: the output folder.
        host: the address that the server listens on.
        port: likewise the port; 0 is any free one.
        open: whether the page is opened in a browser.
        edit: whether the page writes corrections.
        corrections: the file that they go to; None is `corrections.jsonl` in the folder.
        author: who makes them; None is the name of the user.
    """

    directory: str = option(
        ..., "output folder of a finished run, on this machine", metavar="DIR", positional="1"
    )
    open: bool = option(False, "open the page in a browser", group=_SERVER, common=True)
    port: int = option(
        0,
        "port that the server listens on",
        group=_SERVER,
        metavar="N",
        default_text="any free one",
        common=True,
        ge=0,
        le=65535,
    )
    host: str = option(
        LOOPBACK,
        "address that the server listens on; with another one than the default, whoever reaches "
        "this machine and has the token reads the graph, and nothing is encrypted",
        group=_SERVER,
        metavar="ADDRESS",
    )
    edit: bool = option(
        False,
        "let the page write corrections and build the graph again",
        group=_CORRECTIONS,
        common=True,
    )
    corrections: str | None = option(
        None,
        "file that corrections are written to, with `edit`",
        group=_CORRECTIONS,
        metavar="FILE",
        default_text="corrections.jsonl in DIR",
    )
    author: str | None = option(
        None,
        "who makes the corrections",
        group=_CORRECTIONS,
        metavar="NAME",
        default_text="the name of the user",
    )

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, host: str) -> str:
        if not host.strip() or any(c in host for c in "/ "):
            raise ValueError("give an address such as 127.0.0.1 or 0.0.0.0")
        return host


class ReportOptions(Options):
    """Which graph a report is about, and what it holds.

    Attributes:
        directory: the output folder.
        output: the file that is written.
        facts: how many of the best facts it lists.
        sample: how many facts it asks to judge.
        seed: another one draws another sample.
    """

    directory: str = option(
        ..., "output folder of a finished run, on this machine", metavar="DIR", positional="1"
    )
    output: str = option(
        "report.html", "the page that is written", group=_REPORT, metavar="FILE.html", common=True
    )
    facts: int = option(
        20, "best facts that the page lists", group=_REPORT, metavar="N", common=True, ge=0
    )
    sample: int = option(
        50, "facts that the page asks to judge", group=_REPORT, metavar="N", common=True, ge=0
    )
    seed: int = option(0, "another seed draws another sample", group=_REPORT, metavar="N", ge=0)
