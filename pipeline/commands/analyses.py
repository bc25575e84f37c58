"""What `pfn-kg evaluate` prints of a model's scores, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_METRICS = ("precision", "recall", "f1")


def as_text(scores: Mapping[str, Any]) -> str:
    """The figures as tables, in percent.

    Args:
        scores: what `pfn_kg.pfn.evaluation.documents.score_reading` returns, with `analyses`
            unless documents are annotated in part.
    """
    parts = [
        _table(
            [
                ("entities, strict", scores["entity"]),
                *(_of_sentences(scores) if "triple" in scores else []),
                *([("facts of documents", scores["fact"])] if "fact" in scores else []),
            ],
            "",
        )
    ]
    if "fact_evidence" in scores:
        parts.append(evidence_as_text(scores["fact_evidence"]))
    errors = (f"{name} {of['error']:.3f}" for name, of in scores["calibration"].items())
    parts.append(f"expected calibration error: {', '.join(errors)}")
    if "analyses" not in scores:
        return "\n\n".join(parts)
    for kind, heading in (("entity", "entity type"), ("triple", "relation")):
        of_kind = scores["per_type"][kind]
        if of_kind:
            # The classes that weigh most first.
            rows = sorted(of_kind.items(), key=lambda item: (-item[1]["support"], item[0]))
            parts.append(_table(rows, heading))
    analyses = scores["analyses"]
    groups = analyses["in_triple"]
    parts.append(
        _table(
            [
                ("in-triple", groups["in_triple"]),
                ("out-of-triple", groups["out_of_triple"]),
                ("difference", groups["difference"]),
            ],
            "entities (Table 3)",
            "ratio",
        )
    )
    names = {"normal": "Normal", "seo": "SEO", "epo": "EPO"}
    parts.append(
        _table(
            [(names[key], scores) for key, scores in analyses["overlap"].items()],
            "overlap (Figure 3)",
            "sentences",
        )
    )
    parts.append(
        _table(
            list(analyses["triples_per_sentence"].items()),
            "triples (Figure 4)",
            "sentences",
        )
    )
    return "\n\n".join(parts)


def _of_sentences(scores: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        ("triples, strict", scores["triple"]),
        ("triples, official code", scores["official"]["triple"]),
        ("entities, macro", scores["macro"]["entity"]),
        ("triples, macro", scores["macro"]["triple"]),
    ]


def _table(rows: list[tuple[str, Mapping[str, Any]]], heading: str, last: str | None = None) -> str:
    width = max(24, *(len(name) + 1 for name, _ in rows))
    heads = ("precision", "recall", "F1", "gold", *([last] if last else []))
    lines = [f"{heading:{width}}" + "".join(f"{head:>10}" for head in heads)]
    for name, scores in rows:
        line = f"{name:{width}}" + "".join(f"{100 * scores[m]:10.2f}" for m in _METRICS)
        if "support" in scores:
            line += f"{scores['support']:10}"
            if last:
                value = scores[last]
                line += f"{value:10}" if isinstance(value, int) else f"{value:10.2f}"
        lines.append(line)
    return "\n".join(lines)


def robustness_as_text(scores: Mapping[str, Any]) -> str:
    """The paper's Table 4: F1 of entities before and after, in percent.

    Args:
        scores: what `pfn_kg.pfn.evaluation.robustness.robustness` returns.
    """
    lines = [f"{'entities (Table 4)':24}" + "".join(f"{h:>10}" for h in ("before", "after"))]
    lines[0] += f"{'decline':>10}{'sentences':>10}"
    for name, row in scores.items():
        entity = row["entity"]
        cells = [f"{100 * entity[k]:.1f}" if k in entity else "" for k in ("before", "after")]
        cells += [f"{100 * entity['decline']:.1f}", str(row.get("sentences", ""))]
        lines.append(f"{name:24}" + "".join(f"{cell:>10}" for cell in cells).rstrip())
    return "\n".join(lines)


def evidence_as_text(groups: Mapping[str, Mapping[str, Any]]) -> str:
    """The number and the precision of facts by the place of their evidence, in percent.

    Args:
        groups: what `pfn_kg.pfn.evaluation.fact_evidence.by_evidence` returns.
    """
    lines = [f"{'facts by evidence':24}{'precision':>10}{'share':>10}{'facts':>10}"]
    names = {"inside": "inside a sentence", "across": "across sentences"}
    lines += [
        f"{names[place]:24}{100 * of['precision']:10.2f}{100 * of['share']:10.2f}{of['facts']:10}"
        for place, of in groups.items()
    ]
    return "\n".join(lines)
