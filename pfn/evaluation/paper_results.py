"""The tables of the paper, and our figures beside Table 1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from pfn_kg.schemas.errors import ConfigurationError

_DATA = Path(__file__).parent / "data"


@lru_cache(maxsize=1)
def table_1() -> dict[str, dict[str, Any]]:
    """The paper's rows by data set: `name`, `average` (micro or macro) and `rows`.

    A row has `method`, `encoder`, `ner` and `re`: F1 in percent, None where there is none.
    """
    return yaml.safe_load((_DATA / "table_1.yaml").read_text(encoding="utf-8"))


def paper_table(number: int) -> list[dict[str, Any]]:
    """The rows of Table 2, 3, 4 or 5; scores are in percent, None where there is none."""
    tables = yaml.safe_load((_DATA / "tables.yaml").read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = tables[f"table_{number}"]
    return rows


def find_data_set(name: str) -> dict[str, Any]:
    """The part of Table 1 on a data set.

    Raises:
        ConfigurationError: if the table has no such data set.
    """
    table = table_1()
    if name not in table:
        raise ConfigurationError(f"{name!r} is not one of {', '.join(table)}", field="paper")
    return table[name]


def beside_paper(name: str, figures: Mapping[str, Any], *, method: str, encoder: str) -> str:
    """Prints our F1 as the last row of Table 1, averaged as the paper averages there.

    Args:
        name: the data set, a key of `table_1`.
        figures: what `pfn_kg.pfn.evaluation.scores.score` returns.
        method: what to call our model.
        encoder: its encoder.

    Raises:
        ConfigurationError: if the table has no such data set.
    """
    part = find_data_set(name)
    scores = figures["macro"] if part["average"] == "macro" else figures
    ours = {"method": method, "encoder": encoder}
    ours |= {"ner": 100 * scores["entity"]["f1"], "re": 100 * scores["triple"]["f1"]}
    rows = [*part["rows"], ours]
    width = max(len(row["method"]) for row in rows)
    encoders = max(8, *(len(row["encoder"] or "") for row in rows)) + 2
    lines = [
        f"{part['name']}, {part['average']}-F1 (the paper's Table 1, our figures last)",
        f"{'method':{width}}  {'encoder':{encoders}}{'NER':>6}{'RE':>7}",
    ]
    for row in rows:
        ner, re = ("-" if row[key] is None else f"{row[key]:.1f}" for key in ("ner", "re"))
        lines.append(f"{row['method']:{width}}  {row['encoder'] or '-':{encoders}}{ner:>6}{re:>7}")
    return "\n".join(lines)
