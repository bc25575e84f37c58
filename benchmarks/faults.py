"""Faults of all kinds, and whether the graph is right afterwards, byte by byte.

    python -m benchmarks.faults                                # 60 kills, all commands
    python -m benchmarks.faults --kills 6 --commands build,remove
    PYTHONPATH=tests python -m helpers.neo4j_server python -m benchmarks.faults   # load too

A command is killed when it has taken a random part of its processor time. Then the graph must be
that of before or that of after, whole; it passes `pfn-kg verify` and can be read. The command is
repeated and must end with the bytes of an undisturbed one, with the records of loads still there,
and nothing left behind that no manifest names. Besides,
the disk is filled (a tmpfs, if this user may mount one), a file of the corpus is replaced while it
is read, and two commands run at once.

Prints one line for each fault, and a table. Exits with 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.processes import Command
from pfn_kg.pipeline.cli import main as pfn_kg

ROOT = Path(__file__).parent.parent
COMMANDS = ("run", "build", "remove", "into", "export", "load")
OTHERS = ("disk", "replaced", "two")
# A record of a load that is in every folder, and must be there afterwards.
LOADED = {"faults": {"uri": "bolt://nowhere", "version": "0"}}
_TEXTS = (
    "Marie Curie was born in Warsaw in 1867. She worked with Pierre Curie in Paris.",
    "Ada Lovelace was born in London. She knew Charles Babbage.",
    "The Danube flows through Vienna, Budapest and Belgrade.",
    "Nikola Tesla moved to New York in 1884 and worked for Thomas Edison.",
    "Oslo is the capital of Norway. Bergen lies on its west coast.",
)
_DOCUMENTS = 20
_RECORDS = ("manifest.json", "snapshot.json", "files.parquet")


def write_corpus(path: Path, prefix: str, documents: int = _DOCUMENTS) -> None:
    """Writes a file of made-up documents."""
    texts = [f"{_TEXTS[n % len(_TEXTS)]} This is {prefix} {n}." for n in range(documents)]
    ids = [f"{prefix}{n}" for n in range(documents)]
    pq.write_table(pa.table({"id": ids, "text": texts}), path)


def graph_of(folder: Path) -> dict[str, bytes] | None:
    """The bytes of the current graph or of an export; None if there is none."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if "export" in manifest:
        if manifest["state"] != "done":
            return None
        place = folder
    else:
        if manifest.get("graph") is None:
            return None
        place = folder / manifest["graph"]
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name not in _RECORDS and ".locks" not in path.parts
    }


def left_behind(folder: Path) -> list[str]:
    """What is in an output folder, and belongs neither to a snapshot nor to the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    named = {(manifest.get(name) or {}).get("path") for name in ("chunks", "removed")}
    unfinished = [p for p in (folder / "builds").iterdir() if not (p / "snapshot.json").exists()]
    lists = [p for p in (folder / "lists").iterdir() if f"lists/{p.name}" not in named]
    partial = [p for p in folder.rglob("*") if p.name.endswith(".partial")]
    links = list(folder.glob(".graph-*"))
    return [str(p.relative_to(folder)) for p in (*unfinished, *lists, *partial, *links)]


def call(*arguments: object) -> tuple[int, str, float]:
    """Runs `pfn-kg` to its end.

    Returns:
        Exit code, the last line that it says, and seconds of processor time.
    """
    process = Command(arguments)
    code = process.wait_for_cpu()
    assert code is not None  # since it was waited for
    return code, process.last_line(), process.cpu()


def call_here(*arguments: object) -> tuple[int, str]:
    """As `call`, in this process, which spares the start of another one."""
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        code = pfn_kg(list(map(str, arguments)))
    said = errors.getvalue().splitlines() or output.getvalue().splitlines() or [""]
    return code, said[-1]


class Fault(NamedTuple):
    """One fault and what came of it.

    Attributes:
        command: that was disturbed.
        what: happened to it.
        found: the graph right after: `before`, `after` or `none`.
        wrong: what was wrong; empty if nothing.
    """

    command: str
    what: str
    found: str
    wrong: str


class Scenario(NamedTuple):
    """A command to be disturbed.

    Attributes:
        name: of the command.
        arguments: of it, from the folder of one trial.
        again: arguments that repeat it after a fault.
        target: what is compared, from the folder of one trial.
        before: the graph before it.
        after: the graph after it, undisturbed.
        seconds: of processor time that it took, undisturbed.
    """

    name: str
    arguments: Callable[[Path], list[object]]
    again: Callable[[Path], list[object]]
    target: Callable[[Path], Any]
    before: Any
    after: Any
    seconds: float


class Faults:
    """Makes faults in copies of one finished folder.

    Args:
        place: a folder for all of it.
        model: of the runs.
    """

    def __init__(self, place: Path, model: Path):
        self._place = place
        self._model = model
        self.corpus, self.more = place / "corpus", place / "more.parquet"
        self.corpus.mkdir()
        write_corpus(self.corpus / "a.parquet", "a")
        write_corpus(self.corpus / "b.parquet", "b")
        write_corpus(self.more, "c")
        self.base = place / "base"
        self._must("run", self.corpus, *self._run_options(self.base))
        # A build with other options, so that there are two snapshots.
        self._must("build", self.base, "--sentences")
        manifest = json.loads((self.base / "manifest.json").read_text(encoding="utf-8"))
        (self.base / "manifest.json").write_text(json.dumps(manifest | {"loads": LOADED}))

    def _run_options(self, output: Path) -> list[object]:
        return ["--output", output, "--model", self._model, "--chunk-documents", 2]

    def _must(self, *arguments: object) -> None:
        code, said = call_here(*arguments)
        if code:
            raise RuntimeError(f"pfn-kg {' '.join(map(str, arguments))}: {code}: {said}")

    def trial(self, copy: bool = True) -> Path:
        """A folder for one trial, with a copy of the finished folder in `run`."""
        folder = Path(tempfile.mkdtemp(dir=self._place))
        if copy:
            shutil.copytree(self.base, folder / "run", symlinks=True)
        return folder

    def scenario(self, name: str) -> Scenario:
        """A command and what it does undisturbed."""
        options = ["--relation-threshold", 0.9, "--sentences"]
        arguments: dict[str, Callable[[Path], list[object]]] = {
            "run": lambda folder: ["run", self.corpus, *self._run_options(folder / "run")],
            "build": lambda folder: ["build", folder / "run", *options],
            "remove": lambda folder: ["remove", folder / "run", "--documents", "a1,b2"],
            "into": lambda folder: ["run", self.more, "--into", folder / "run"],
            "export": lambda folder: ["export", folder / "run", "--output", folder / "out"],
            "load": lambda folder: ["load", folder / "run", "--graph", folder.name],
        }
        command = arguments[name]

        def again(folder: Path) -> list[object]:
            # A run that was killed before it had a manifest has nothing to go on with.
            has_begun = (folder / "run" / "manifest.json").exists()
            return [*command(folder), *(["--resume"] if name == "run" and has_begun else [])]

        def target(folder: Path) -> Any:
            if name == "load":
                return loaded_graph(folder.name)
            return graph_of(folder / ("out" if name == "export" else "run"))

        folder = self.trial(name != "run")
        before = target(folder)
        code, said, seconds = call(*command(folder))
        if code:
            raise RuntimeError(f"{name}: {code}: {said}")
        after = target(folder)
        shutil.rmtree(folder)
        return Scenario(name, command, again, target, before, after, seconds)

    def kill(self, scenario: Scenario, seconds: float) -> Fault:
        """Kills a command after some processor time, looks at the graph, and repeats it."""
        folder = self.trial(scenario.name != "run")
        process = Command(scenario.arguments(folder))
        if process.wait_for_cpu(seconds) is not None:
            what = f"ended before {seconds:.2f} s"
        else:
            process.kill()
            what = f"killed at {seconds:.2f} s of {scenario.seconds:.2f} s"
        return self._after(scenario, folder, what)

    def _after(self, scenario: Scenario, folder: Path, what: str) -> Fault:
        """Looks at the graph after a fault, repeats the command, and looks again."""
        wrong = []
        found, state = scenario.target(folder), "before"
        if found is None or found == (set(), set()):
            state = "none"
        elif found == scenario.after and found != scenario.before:
            state = "after"
        if scenario.name == "load":
            pass  # a database in the middle of a load holds a part; the repetition mends it
        elif found not in (scenario.before, scenario.after) and state != "none":
            wrong.append("the graph is neither that of before nor that of after")
        elif state == "none" and scenario.before is not None and scenario.name != "export":
            wrong.append("the graph is gone")
        if scenario.name != "run" or state != "none":
            code, said = call_here("verify", folder / "run")
            if code:
                wrong.append(f"verify: {said}")
        code, said = call_here(*scenario.again(folder))
        if code:
            wrong.append(f"repeated: exit {code}: {said}")
        elif scenario.target(folder) != scenario.after:
            wrong.append("repeated, the graph is another one")
        code, said = call_here("verify", folder / "run")
        if code:
            wrong.append(f"verify in the end: {said}")
        if scenario.name != "run":
            manifest = json.loads((folder / "run" / "manifest.json").read_text(encoding="utf-8"))
            if not LOADED.items() <= manifest.get("loads", {}).items():
                wrong.append("the records of loads are lost")
        if scenario.name not in ("export", "load") and (left := left_behind(folder / "run")):
            wrong.append(f"left behind: {left}")
        shutil.rmtree(folder, ignore_errors=True)
        return Fault(scenario.name, what, state, "; ".join(wrong))

    def fill_disk(self, scenario: Scenario) -> Fault | None:
        """Fills the disk during a build; None if no file system can be mounted for it."""
        folder = self.trial(copy=False)
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)]
        if subprocess.run(mount, capture_output=True).returncode:
            return None
        try:
            shutil.copytree(self.base, folder / "run", symlinks=True)
            free = shutil.disk_usage(folder).free
            (folder / "filler").write_bytes(b"x" * (free - 12 * 1024))
            code, said, _ = call(*scenario.arguments(folder))
            wrong = "" if code == 1 else f"exit {code} on a full disk: {said}; "
            (folder / "filler").unlink()
            fault = self._after(scenario, folder, f"disk full: {said[:70]}")
            return fault._replace(command="disk", wrong=wrong + fault.wrong)
        finally:
            subprocess.run(["umount", str(folder)], check=True, capture_output=True)

    def replace_input(self, seconds: float) -> Fault:
        """Replaces a file of the corpus during a run, by one with as many rows."""
        folder = self.trial(copy=False)
        corpus, fresh = folder / "corpus", folder / "fresh"
        shutil.copytree(self.corpus, corpus)
        command = ["run", corpus, *self._run_options(folder / "run")]
        process = Command(command)
        was_running = process.wait_for_cpu(seconds) is None
        write_corpus(folder / "new", "z")
        os.replace(folder / "new", corpus / "b.parquet")
        code, line = process.wait(), process.last_line()
        self._must("run", corpus, *self._run_options(fresh))
        new, found, wrong = graph_of(fresh), graph_of(folder / "run"), ""
        old = self._of_old_corpus(corpus)
        if code == 0 and found not in (new, old):
            wrong = "exit 0 with a graph of neither corpus"
        elif code not in (0, 1, 2):
            wrong = f"exit {code}: {line}"
        has_begun = (folder / "run" / "manifest.json").exists()
        code, line = call_here(*command, *(["--resume"] if has_begun else []))
        if code or graph_of(folder / "run") != new:
            wrong += f"; repeated: exit {code}: {line}"
        shutil.rmtree(folder)
        what = f"replaced at {seconds:.2f} s" + ("" if was_running else ", after its end")
        state = "none" if found is None else "after" if found == new else "before"
        return Fault("replaced", what, state, wrong)

    def _of_old_corpus(self, corpus: Path) -> dict[str, bytes] | None:
        """The graph of the corpus as it was, read from the same place."""
        folder = self.trial(copy=False)
        new = (corpus / "b.parquet").rename(folder / "b.parquet")
        shutil.copy2(self.corpus / "b.parquet", corpus / "b.parquet")
        self._must("run", corpus, *self._run_options(folder / "run"))
        found = graph_of(folder / "run")
        os.replace(new, corpus / "b.parquet")
        shutil.rmtree(folder)
        return found

    def two_at_once(self, first: Scenario, second: Scenario, delay: float) -> Fault:
        """Runs two commands on one folder; one of them or both, one after the other, are done."""
        folder, wrong = self.trial(), ""
        processes = [Command(first.arguments(folder))]
        processes[0].wait_for_cpu(delay)
        processes.append(Command(second.arguments(folder)))
        codes = [process.wait() for process in processes]
        said = [process.last_line() for process in processes]
        found = graph_of(folder / "run")
        for code, line in zip(codes, said, strict=True):
            if code and not (code == 2 and "is in use by" in line):
                wrong += f"exit {code}: {line}; "
        done = [s for s, code in zip((first, second), codes, strict=True) if code == 0]
        if len(done) == 1 and found != done[0].after:
            wrong += f"{done[0].name} is done, but the graph is another one"
        if not done and found != first.before:
            wrong += "both gave way, and the graph is another one"
        code, line = call_here("verify", folder / "run")
        if code:
            wrong += f"; verify: {line}"
        shutil.rmtree(folder)
        what = f"{first.name} and {second.name} {delay:.2f} s later: exits {codes}"
        return Fault("two", what, "after" if done else "before", wrong)


def loaded_graph(name: str) -> tuple[set[str], set[str]]:
    """The nodes and relationships of a graph in the server of NEO4J_URI, but for the version."""
    from neo4j import GraphDatabase

    auth = (os.environ.get("NEO4J_USERNAME", "neo4j"), os.environ["NEO4J_PASSWORD"])
    ignored = "[k IN keys(x) WHERE NOT k IN ['version', 'graph'] | [k, toStringOrNull(x[k])]]"
    with GraphDatabase.driver(os.environ["NEO4J_URI"], auth=auth) as driver:
        nodes = driver.execute_query(
            f"MATCH (x {{graph: $name}}) RETURN labels(x) AS l, {ignored} AS p", name=name
        ).records
        edges = driver.execute_query(
            f"MATCH (a)-[x {{graph: $name}}]->(b) RETURN a.id, type(x), b.id, {ignored} AS p",
            name=name,
        ).records
    return {_sorted(row) for row in nodes}, {_sorted(row) for row in edges}


def _sorted(row: Any) -> str:
    values = [sorted(value) if isinstance(value, list) else value for value in row.values()]
    return repr(values)


def table(faults: Sequence[Fault]) -> str:
    """How often what happened, by command."""
    lines = [f"{'command':10}{'faults':>8}{'before':>8}{'after':>8}{'none':>8}{'wrong':>8}"]
    for command in dict.fromkeys(fault.command for fault in faults):
        own = [fault for fault in faults if fault.command == command]
        states: Mapping[str, int] = Counter(fault.found for fault in own)
        wrong = sum(bool(fault.wrong) for fault in own)
        lines.append(
            f"{command:10}{len(own):>8}"
            + "".join(f"{states.get(state, 0):>8}" for state in ("before", "after", "none"))
            + f"{wrong:>8}"
        )
    return "\n".join(lines)


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in (*COMMANDS, *OTHERS):
            raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(COMMANDS + OTHERS)}")
    return names


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=60, help="in all, over all commands")
    parser.add_argument("--seed", type=int, default=0, help="of the random times")
    parser.add_argument(
        "--commands", type=_names, default=[*COMMANDS, *OTHERS], metavar="A,B",
        help=f"some of {', '.join(COMMANDS + OTHERS)}",
    )  # fmt: skip
    parser.add_argument(
        "--model", type=Path, default=ROOT / "tests" / "data" / "tiny_model", metavar="DIR"
    )
    args = parser.parse_args()
    random_times = random.Random(args.seed)
    chosen = [name for name in args.commands if name in COMMANDS]
    if "load" in chosen and "NEO4J_URI" not in os.environ:
        print("load: skipped, because NEO4J_URI names no server")
        chosen.remove("load")
    found: list[Fault] = []

    def report(fault: Fault) -> None:
        found.append(fault)
        print(
            f"{fault.command:9} {fault.what}: graph of {fault.found}; {fault.wrong or 'right'}",
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix="pfn-kg-faults-") as place:
        faults = Faults(Path(place), args.model.absolute())
        wanted = {*chosen}
        if {"disk", "two"} & {*args.commands}:
            wanted.add("build")
        if "two" in args.commands:
            wanted.add("remove")
        if "replaced" in args.commands:
            wanted.add("run")
        scenarios = {name: faults.scenario(name) for name in COMMANDS if name in wanted}
        for number in range(args.kills if chosen else 0):
            scenario = scenarios[chosen[number % len(chosen)]]
            # Every third time near the end, where what is made gets its names.
            share = random_times.uniform(0.8 if number // len(chosen) % 3 == 2 else 0, 1)
            report(faults.kill(scenario, share * scenario.seconds))
        if "disk" in args.commands:
            full = faults.fill_disk(scenarios["build"])
            if full is None:
                print("disk: skipped, because no file system can be mounted")
            else:
                report(full)
        if "replaced" in args.commands:
            for share in (0.3, 0.5, 0.7):
                report(faults.replace_input(share * scenarios["run"].seconds))
        if "two" in args.commands:
            for share in (0.0, 0.3, 0.6):
                pair = scenarios["build"], scenarios["remove"]
                report(faults.two_at_once(*pair, share * pair[0].seconds))
    print(table(found))
    return 1 if any(fault.wrong for fault in found) else 0


if __name__ == "__main__":
    sys.exit(main())
