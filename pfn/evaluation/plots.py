"""Figures 3 and 4 of the paper, Table 3 as a figure, and reliability, as PNG and SVG."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

_COLOURS = {"precision": "#9ecae1", "recall": "#4292c6", "f1": "#084594"}
_NAMES = {"precision": "precision", "recall": "recall", "f1": "F1"}
_GROUPS = {
    "overlap": {"normal": "Normal", "seo": "SEO", "epo": "EPO"},
    "in_triple": {"total": "total", "in_triple": "in-triple", "out_of_triple": "out-of-triple"},
}
# Figures of the same figures are the same bytes.
_STYLE: Any = {"svg.hashsalt": "pfn-kg", "svg.fonttype": "none"}
_TITLES = {
    "overlap": "Triples by overlapping pattern",
    "triples_per_sentence": "Triples by number in the sentence",
    "in_triple": "Entities in triples and outside",
}


def check_plots_folder(folder: str) -> None:
    """Makes sure that figures can be drawn there, before anything is computed for them.

    Raises:
        ConfigurationError: if matplotlib is not installed, or the folder is a file.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigurationError(how_to_install("matplotlib", "plots"), field="plots")
    if Path(folder).exists() and not Path(folder).is_dir():
        raise ConfigurationError(f"{folder} is no folder", field="plots")


def write_plots(analyses: Mapping[str, Any], folder: Path, title: str) -> list[Path]:
    """Draws the analyses.

    Args:
        analyses: what `pfn_kg.pfn.evaluation.analyses.analyse` returns.
        folder: made if it is not there.
        title: what was read, such as a data set's name.

    Returns:
        The files, each figure as PNG and as SVG; the same figures give the same bytes.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    # A file's name can hold what matplotlib would read as mathematics.
    title = title.replace("$", r"\$")
    with rc_context(_STYLE):
        for name, heading in _TITLES.items():
            names = _GROUPS.get(name) or {key: key for key in analyses[name]}
            figure = Figure(figsize=(6, 4), layout="constrained")
            axes = figure.add_subplot()
            for number, (metric, colour) in enumerate(_COLOURS.items()):
                heights = [100 * analyses[name][key][metric] for key in names]
                places = [place + (number - 1) * 0.27 for place in range(len(names))]
                bars = axes.bar(places, heights, 0.27, color=colour, label=_NAMES[metric])
                axes.bar_label(bars, fmt="%.1f", fontsize=7, padding=1)
            counts = [_count(analyses[name][key]) for key in names]
            axes.set_xticks(
                range(len(names)),
                [f"{n}\n{c}" for n, c in zip(names.values(), counts, strict=True)],
                fontsize=8,
            )
            axes.set_ylim(0, 108)
            axes.set_ylabel("percent")
            axes.set_title(f"{heading}\n{title}", fontsize=10)
            figure.legend(
                *axes.get_legend_handles_labels(),
                loc="outside lower center",
                ncols=3,
                fontsize=8,
                frameon=False,
            )
            paths += _save(figure, axes, folder=folder, name=name)
    return paths


def write_reliability(
    bins: Sequence[tuple[float, float, int]], error: float, *, folder: Path, title: str
) -> list[Path]:
    """Draws how often what has about one confidence is right (a reliability diagram).

    Args:
        bins: of each its mean confidence, the share that is right, and the number of items.
        error: expected calibration error.
        folder: made if it is not there.
        title: what was read, such as a data set's name.

    Returns:
        The files, as `write_plots`.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    title = title.replace("$", r"\$")
    with rc_context(_STYLE):
        figure = Figure(figsize=(4.5, 4.5), layout="constrained")
        axes = figure.add_subplot()
        axes.plot((0, 1), (0, 1), color="#bbbbbb", linewidth=1)
        axes.plot(
            [confidence for confidence, _, _ in bins],
            [share for _, share, _ in bins],
            color=_COLOURS["f1"],
            marker="o",
        )
        for confidence, share, count in bins:
            axes.annotate(
                f"{count:,}", (confidence, share), (5, -11), textcoords="offset points", fontsize=7
            )
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.set_xlabel("confidence")
        axes.set_ylabel("share that is right")
        axes.set_title(f"Expected calibration error {error:.3f}\n{title}", fontsize=10)
        return _save(figure, axes, folder=folder, name="reliability")


def _save(figure: Any, axes: Any, *, folder: Path, name: str) -> list[Path]:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    paths = []
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        path = folder / f"{name}.{kind}"
        figure.savefig(path, dpi=150, metadata=metadata)
        paths.append(path)
    return paths


def _count(scores: Mapping[str, Any]) -> str:
    if "sentences" in scores:
        return f"sentences: {scores['sentences']:,}"
    return f"gold: {scores['support']:,}"
