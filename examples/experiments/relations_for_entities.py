"""Section 6.3's question: do relations help to recognise entities?

    python examples/experiments/relations_for_entities.py --data-folder DATA --output runs/section_6

Trains each data set with both losses and with that of entities alone (`--relation-weight 0`), with
several seeds, and compares F1 of entities on the test set, pair by pair. All else is equal, the
number of weights too. Options of `pfn-kg train` may follow. What is trained stays in the folder,
so an interrupted call goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainings import FOLDER, trained

GROUPS = ("total", "in_triple", "out_of_triple")


def main() -> int:
    """Trains, and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--data-folder", metavar="DIR", default=".", help="folder of the data sets")
    parser.add_argument("--output", metavar="DIR", type=Path, required=True, help="of trainings")
    parser.add_argument("--configs", metavar="DIR", type=Path, default=FOLDER, help="of the runs")
    parser.add_argument("--data-sets", nargs="+", default=["scierc", "conll04"], metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5], metavar="N")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    args, flags = parser.parse_known_args()
    flags = ["--data-folder", args.data_folder, *flags]
    results = {
        name: compared(args.configs / f"{name}.yaml", args.output / name, args.seeds, flags)
        for name in args.data_sets
    }
    (args.output / "results.json").write_text(
        json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    print(json.dumps(results, ensure_ascii=False) if args.json else as_text(results))
    return 0


def compared(
    config: Path, output: Path, seeds: Sequence[int], flags: Sequence[str]
) -> dict[str, Any]:
    """F1 of entities in percent, by group: of each seed, and of their difference.

    Returns:
        For each of `GROUPS` `joint` and `alone` (a figure a seed), the `mean` of the differences
        joint minus alone, and their standard `error` (None for one seed).
    """
    found: dict[str, dict[str, Any]] = {group: {"joint": [], "alone": []} for group in GROUPS}
    for seed in seeds:
        for kind, weight in (("joint", "1"), ("alone", "0")):
            folder = output / f"{kind}-{seed}"
            more = ["--seed", str(seed), "--relation-weight", weight]
            # What trainings print is not the table.
            with contextlib.redirect_stdout(sys.stderr):
                scores = trained(config, folder, [*flags, *more])
            # Which entities are in triples is a matter of the gold ones: of those that are, and
            # of those that are not, the part that was found.
            found["total"][kind].append(100 * scores["entity"]["f1"])
            for group in GROUPS[1:]:
                found[group][kind].append(100 * scores["in_triple"][group]["recall"])
    for of in found.values():
        differences = [a - b for a, b in zip(of["joint"], of["alone"], strict=True)]
        of["mean"] = statistics.fmean(differences)
        of["error"] = (
            statistics.stdev(differences) / len(differences) ** 0.5
            if len(differences) > 1
            else None
        )
    return found


def as_text(results: dict[str, dict[str, Any]]) -> str:
    """Means over seeds: F1 of all entities, recall of those in triples and outside."""
    lines = [f"{'':12}{'entities':18}{'joint':>9}{'alone':>9}{'joint - alone':>20}"]
    names = {
        "total": "all, F1",
        "in_triple": "in-triple, R",
        "out_of_triple": "out-of-triple, R",
    }
    for data_set, groups in results.items():
        for group, of in groups.items():
            difference = f"{of['mean']:+.2f}"
            if of["error"] is not None:
                difference += f" ± {of['error']:.2f}"
            lines.append(
                f"{data_set:12}{names[group]:18}{statistics.fmean(of['joint']):9.2f}"
                f"{statistics.fmean(of['alone']):9.2f}{difference:>20}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
