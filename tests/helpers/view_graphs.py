"""Graphs to look at: finished folders with hostile names, merged names, dates and rejected rows."""

from pathlib import Path

from helpers.extraction_folders import Doc, write_folder
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.schemas.build_options import RdfOptions

#: A name that is markup, one that turns the direction, and one beyond the first plane of Unicode.
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
TURNED = "\u202eEvilRLO\u202c Ltd"
ARABIC = "أحمد زويل"

DOCS = [
    Doc(
        "ada",
        "😀 Ada Lovelace was born in London in 1815. Lovelace lived in Łódź. Ada Lovelace sang.",
        (
            ("Ada Lovelace", "PER", 0.9),
            ("London", "LOC", 0.95),
            ("1815", "TIME", 0.8),
            ("Lovelace", "PER", 0.9, 1),
            ("Łódź", "LOC", 0.9),
            ("Ada Lovelace", "PER", 0.9, 1),
        ),
        (
            ("Ada Lovelace", "place of birth", "London", 0.8),
            ("Ada Lovelace", "date of birth", "1815", 0.7),
            ("Ada Lovelace", "place of birth", "Łódź", 0.6),
        ),
        title="Ada",
        metadata='{"url": "https://example.org/ada", "date": "2004-05-06"}',
    ),
    Doc(
        "more/ada",
        "ADA LOVELACE was born in the London of 1815.",
        (("ADA LOVELACE", "PER", 0.6), ("the London", "LOC", 0.7), ("1815", "TIME", 0.9)),
        (
            ("ADA LOVELACE", "place of birth", "the London", 0.9),
            ("the London", "place of birth", "ADA LOVELACE", 0.6),
        ),
        title="More of Ada",
        metadata='{"url": "javascript:alert(3)", "date": "2010"}',
    ),
    Doc(
        "markup",
        f"{MARKUP} was born in London. {TURNED} was born in London. {ARABIC} was born in London.",
        (
            (MARKUP, "PER", 0.9),
            ("London", "LOC", 0.9),
            (TURNED, "PER", 0.9),
            ("London", "LOC", 0.9, 1),
            (ARABIC, "PER", 0.9),
            ("London", "LOC", 0.9, 2),
        ),
        ((MARKUP, "place of birth", "London", 0.9),),
        title=f"About {MARKUP}",
    ),
    Doc(
        "turned",
        f"{TURNED} was born in London. {ARABIC} stayed.",
        ((TURNED, "PER", 0.9), ("London", "LOC", 0.9), (ARABIC, "PER", 0.9)),
        ((TURNED, "place of birth", "London", 0.9),),
        title="Turned",
    ),
    Doc("lost", None, rejected=(("read", None, "empty text", "<b>payload</b>"),)),
]


def view_folder(folder: Path, **options: object) -> str:
    """A finished graph of DOCS with its sentences; gives its output folder."""
    path = write_folder(folder, DOCS)
    build = {"rdf": RdfOptions(), "sentences": True, **options}
    run_build(path, BuildOptions(**build))
    return path
