"""How many small faults the tests notice: mutations of the code, drawn at random.

    python -m benchmarks.mutations --sample 60 --results mutations.jsonl

A mutation is one change of one expression: another comparison, `and` for `or`, plus for minus, a
number that is one greater, a condition turned round, a keyword argument left out. One mutation is
drawn from each of so many modules; larger modules are drawn more often. Each is applied to a copy
of the working tree, in which the tests that should notice it run, those of its own module first.
Where the tests take longer than --timeout, nobody knows whether they would have noticed it: such a
mutation is counted apart.

Prints a line for each mutation and the share that survived, which should be at most 15 %. Some
survivors are no gap, because nothing that the mutation changes can be seen: a bound that only
saves time, for instance. With --results a run that was stopped goes on where it stood.

mutmut and cosmic-ray were not used: both derive the name of a module from its path, which is not
the name that the folders are installed under (setup.py), and both run one command for all.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FOLDERS = ("pfn", "pipeline", "schemas", "sinks", "transforms")

# Test modules beside those that import the mutated module themselves, by the longest path that
# fits. They work through whole commands, so they follow the direct ones.
TESTS: dict[str, str] = {
    "pfn": "extractor decoding predict checkpoint",
    "pfn/model": "partition_filter task_units variants batch_invariance packed_linear official",
    "pfn/inference": "flat_reading extractor inputs windows window_reading decoding",
    "pfn/training": "training window_training distillation mention_replacement length_sampler",
    "pfn/readers": "readers training",
    "pfn/evaluation": "evaluation analyses robustness evaluate_graph window_training",
    "pfn/calibration.py": "calibration training",
    "pfn/resolution.py": "resolution tail_table extractor build",
    "schemas": "label_schema build cli rules bad_input training",
    "sinks": "rdf ontology export query build",
    "sinks/neo4j": "neo4j_writer neo4j arcadedb neo4j_import",
    "pipeline": "cli build updates resume export query bad_input name_options",
    "pipeline/commands": "cli bad_input name_options export query analyses evaluate_graph training",
    "transforms": "build rules merge_entities updates",
    "transforms/reading": "plan resume bad_input file_systems",
    "transforms/extraction": "tail_table runners resume build",
    "transforms/documents": "deduplicate updates build",
    "transforms/values": "values rdf",
    "transforms/names": "name_keys short_forms canonicalise name_options build",
    "transforms/tables": "aggregate look_up export build neo4j_writer",
}

_COMPARISONS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_ARITHMETIC = {ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.FloorDiv: "*", ast.Mod: "*"}


#: The result of tests that took too long.
TIMEOUT = "timeout"


class Mutation(NamedTuple):
    """A change of one place of one file.

    Attributes:
        path: of the file, from the root.
        line: where the change is.
        begin: offset of what is replaced in the file's text.
        end: one past its end.
        text: what takes its place.
    """

    path: str
    line: int
    begin: int
    end: int
    text: str


class _Finder(ast.NodeVisitor):
    """Finds what can be changed in the bodies of functions."""

    def __init__(self, path: str, source: str):
        self.found: list[Mutation] = []
        self._path = path
        # Offsets of the syntax tree count bytes.
        self._source = source.encode()
        self._lines = [0]
        for line in self._source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def _begin(self, node: ast.expr) -> int:
        return self._lines[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr) -> int:
        return self._lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)

    def _add(self, line: int, begin: int, end: int, text: str) -> None:
        self.found.append(Mutation(self._path, line, begin, end, text))

    def _between(self, left: ast.expr, right: ast.expr, old: str, new: str) -> None:
        begin, end = self._end(left), self._begin(right)
        between = self._source[begin:end].decode()
        if between.count(old) == 1 and "#" not in between:
            self._add(left.end_lineno or 0, begin, end, between.replace(old, new))

    def visit_Raise(self, node: ast.Raise) -> None:
        """Passes over messages, which are for people."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Likewise."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Passes over what is true anyway."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Visits the value, not the type."""
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
            old = ast.unparse(ast.Compare(ast.Name("a"), node.ops, [ast.Name("b")]))[2:-2]
            new = _COMPARISONS[type(node.ops[0])]
            self._between(node.left, node.comparators[0], old, new)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in _ARITHMETIC and not isinstance(node.left, ast.Constant | ast.JoinedStr):
            old = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b")))[2:-2]
            self._between(node.left, node.right, old, _ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        self._between(node.values[0], node.values[1], f" {old} ", f" {new} ")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._add(node.lineno, self._begin(node), self._begin(node.operand), "")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if type(node.value) is int:
            self._add(node.lineno, self._begin(node), self._end(node), str(node.value + 1))
        elif type(node.value) is bool:
            self._add(node.lineno, self._begin(node), self._end(node), str(not node.value))

    def visit_If(self, node: ast.If) -> None:
        begin, end = self._begin(node.test), self._end(node.test)
        test = self._source[begin:end].decode()
        if "\n" not in test and ":=" not in test:
            self._add(node.lineno, begin, end, f"not ({test})")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        for place, keyword in enumerate(node.keywords):
            if keyword.arg is not None and place and node.keywords[place - 1].arg is not None:
                begin, end = self._end(node.keywords[place - 1].value), self._end(keyword.value)
                self._add(keyword.value.lineno, begin, end, "")
        self.generic_visit(node)


def mutations_of(path: str, source: str) -> list[Mutation]:
    """All mutations of the functions of a module.

    Args:
        path: of the file, from the root.
        source: its text.
    """
    finder = _Finder(path, source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("add_arguments"):
            finder.visit(node)
    # A function inside another one is visited with both.
    return sorted(set(finder.found))


def mutated(mutation: Mutation, source: str) -> str:
    """The text of a module with a mutation."""
    data = source.encode()
    return (data[: mutation.begin] + mutation.text.encode() + data[mutation.end :]).decode()


def draw(count: int, seed: int) -> list[Mutation]:
    """Draws mutations, each of another module.

    Args:
        count: how many.
        seed: of the draw.
    """
    rng = random.Random(seed)
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    of_modules = [
        mutations_of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))
        for path in paths
    ]
    of_modules = [found for found in of_modules if found]
    chosen = []
    while of_modules and len(chosen) < count:
        (found,) = rng.choices(of_modules, [len(found) for found in of_modules])
        chosen.append(rng.choice(found))
        of_modules.remove(found)
    return chosen


def tests_of(path: str) -> list[str]:
    """The test modules that should notice a fault of a file, those that import it first."""
    module = "pfn_kg." + path.removesuffix(".py").replace("/", ".")
    parent, _, name = module.rpartition(".")
    spelt = (f"from {module} import", f"from {parent} import {name}\n", f"import {module}\n")
    direct = [
        f"tests/{test.name}"
        for test in sorted((ROOT / "tests").glob("test_*.py"))
        if any(text in test.read_text(encoding="utf-8") for text in spelt)
    ]
    fits = max((key for key in TESTS if path.startswith(key)), key=len)
    named = [f"tests/test_{name}.py" for name in TESTS[fits].split()]
    return list(dict.fromkeys([*direct, *(name for name in named if (ROOT / name).exists())]))


def copy_tree(target: Path) -> None:
    """Copies what git knows of the working tree, changed or new files included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def run_tests(tree: Path, tests: list[str], seconds: float) -> str:
    """The first test of some that fails, `TIMEOUT` if they take too long; empty if all pass."""
    for test in tests:
        began = time.monotonic()
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
        try:
            done = subprocess.run(
                command,
                cwd=tree,
                env=os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return TIMEOUT
        seconds -= time.monotonic() - began
        # 5: all tests were skipped or deselected.
        if done.returncode not in (0, 5):
            lines = [
                line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))
            ]
            return lines[0].partition(" - ")[0] if lines else f"exit code {done.returncode}"
    return ""


def results_of(path: Path | None) -> Iterator[dict[str, str]]:
    """What earlier runs found."""
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=60, help="how many mutations are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--results", type=Path, help="a file of results, by which a run goes on")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one mutation")
    parser.add_argument("--list", action="store_true", help="print the mutations and run nothing")
    args = parser.parse_args()
    known = {result["mutation"]: result["killed_by"] for result in results_of(args.results)}
    results: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        for mutation in draw(args.sample, args.seed):
            source = (ROOT / mutation.path).read_text(encoding="utf-8")
            changed = mutated(mutation, source)
            at = mutation.line - 1
            line = next(
                (
                    f"{old.strip()}  ->  {new.strip()}"
                    for old, new in zip(source.splitlines(), changed.splitlines(), strict=False)
                    if old != new
                ),
                source.splitlines()[at].strip(),
            )
            name = f"{mutation.path}:{mutation.line}: {line}"
            if args.list:
                print(name)
                continue
            if name not in known:
                (tree / mutation.path).write_text(changed, encoding="utf-8")
                try:
                    known[name] = run_tests(tree, tests_of(mutation.path), args.timeout)
                finally:
                    (tree / mutation.path).write_text(source, encoding="utf-8")
                if args.results is not None:
                    with args.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({"mutation": name, "killed_by": known[name]}) + "\n")
            found = known[name]
            results.append(found)
            said = f"killed by {found}" if found else "SURVIVED"
            print(f"{name}\n    {'out of time' if found == TIMEOUT else said}", flush=True)
    late = results.count(TIMEOUT)
    if total := len(results) - late:
        survived = results.count("")
        print(f"{survived} of {total} mutations survived: {100 * survived / total:.0f} %")
    if late:
        print(f"{late} ran out of time")


if __name__ == "__main__":
    main()
