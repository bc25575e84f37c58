"""A picture of the gates and partitions over a sentence, after the paper's Figures 1 and 2."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pfn_kg.pfn.evaluation.partitions import CELLS, PARTITIONS, Partitions
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

# As in Figure 2: what belongs to NER is orange, what is shared yellow, what belongs to RE green.
_COLOURS = {"entity": "#e6842a", "shared": "#f4d35e", "relation": "#5b9a57"}
_FORMATS = (".png", ".svg", ".pdf")
_STYLE: Any = {"svg.hashsalt": "pfn-kg", "svg.fonttype": "none"}
_NO_DATE: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
_CELL_NAMES = {"previous": "memory of the words before", "candidate": "this word"}


def check_partition_plot(file: str) -> None:
    """Makes sure that the picture can be drawn there, before anything is read.

    Raises:
        ConfigurationError: if matplotlib is not installed, or the name is no picture's.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigurationError(how_to_install("matplotlib", "plots"), field="plot_partitions")
    path = Path(file)
    if path.suffix.lower() not in _FORMATS:
        raise ConfigurationError(
            f"{file} does not end in {', '.join(_FORMATS)}", field="plot_partitions"
        )
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"there is no folder {path.parent}", field="plot_partitions")


def write_partitions(partitions: Partitions, file: str) -> None:
    """Draws the gates of each neuron and the sizes of the three partitions, word by word.

    Args:
        partitions: of a sentence.
        file: the picture; its suffix says the format.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # A word can hold what matplotlib would read as mathematics.
    words = [word.replace("$", r"\$") for word in partitions.words]
    places = range(len(words))
    gates = {"entity gate": partitions.entity_gates, "relation gate": partitions.relation_gates}
    sizes = partitions.sizes()
    with rc_context(_STYLE):
        figure = Figure(figsize=(max(6, 1.2 + 0.42 * len(words)), 8), layout="constrained")
        grid = figure.subplots(4, 1, sharex=True)
        for axes, (name, of) in zip(grid[:2], gates.items(), strict=True):
            image = axes.imshow(
                of[1].T, aspect="auto", cmap="viridis", vmin=0, vmax=1, interpolation="nearest"
            )
            axes.set_ylabel("neuron")
            axes.set_title(f"{name}, {_CELL_NAMES['candidate']}", fontsize=9)
        figure.colorbar(image, ax=grid[:2].tolist(), fraction=0.03, pad=0.01)
        for axes, (number, cell) in zip(grid[2:], reversed(list(enumerate(CELLS))), strict=True):
            below = [0.0] * len(words)
            for name in PARTITIONS:
                heights = (100 * sizes[name][number]).tolist()
                axes.bar(places, heights, 0.85, below, color=_COLOURS[name], label=name)
                below = [a + b for a, b in zip(below, heights, strict=True)]
            axes.set_ylim(0, 100)
            axes.set_ylabel("% of neurons")
            means = ", ".join(f"{n} {100 * sizes[n][number].mean():.0f} %" for n in PARTITIONS)
            axes.set_title(f"partitions, {_CELL_NAMES[cell]}: {means}", fontsize=9)
        grid[-1].set_xticks(list(places), words, rotation=60, ha="right", fontsize=8)
        figure.legend(
            *grid[-1].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=3,
            fontsize=8,
            frameon=False,
        )
        suffix = Path(file).suffix.lower()
        figure.savefig(file, dpi=150, metadata=_NO_DATE[suffix])


def sizes_as_text(partitions: Partitions) -> str:
    """The mean sizes of the partitions over the words, in percent of the neurons."""
    sizes = partitions.sizes()
    return "; ".join(
        f"{_CELL_NAMES[cell]}: "
        + ", ".join(f"{name} {100 * sizes[name][number].mean():.1f} %" for name in PARTITIONS)
        for number, cell in enumerate(CELLS)
    )
