"""Sentences and near names beside other programs that do the same, by processor time.

    python -m benchmarks.peers
    python -m benchmarks.peers --data knowledgenet/test-no-facts.json --column documentText

The other programs are installed from PyPI into an environment of their own (`--environment`), at
the versions below; `--python` names an interpreter that has them already. Ours and theirs run by
turns, each time in a new process, and the ratio is that of the medians. Texts are JSON lines, or
made up as in `benchmarks.pipeline`; names are made up, and one in ten is a misspelt other one.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.arguments import add_texts, parser_of, read_texts
from benchmarks.peer_programs import PROGRAMS

ROOT = Path(__file__).parent.parent
VERSIONS = {"spacy": "3.8.18", "pysbd": "0.3.4", "splink": "5.0.0"}


def make_environment(folder: Path, peers: list[str]) -> str:
    """An interpreter that has the programs; they are installed if they aren't there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = [f"{name}=={VERSIONS[name]}" for name in peers]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    return str(python)


def measured(python: str, part: str, program: str, path: Path, rounds: int) -> dict:
    """What a program says of itself."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    if program == "ours":
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        # Not by its path: beside it are files with the names of packages.
        [python, "-P", "-m", "benchmarks.peer_programs", part, program, path, str(rounds)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def made_names(count: int, seed: int = 0) -> list[str]:
    """Names of two words, each once; one in ten is another one with a letter doubled."""
    draw = random.Random(seed)
    syllables = [c + v for c in "bcdfghklmnprstvz" for v in "aeiou"]
    words = ["".join(draw.choices(syllables, k=3 + n % 2)) for n in range(max(20, count // 5))]
    names: dict[str, None] = {}
    while len(names) < count * 9 // 10:
        names[f"{draw.choice(words)} {draw.choice(words)}"] = None
    known = list(names)
    while len(names) < count:
        name = draw.choice(known)
        place = draw.randrange(1, len(name))
        names[name[:place] + name[place - 1] + name[place:]] = None
    return list(names)


def compare(part: str, given: list[str], python: str, args: argparse.Namespace) -> None:
    """Prints how long each program takes, in microseconds of each of `units`."""
    units = 0
    seconds: dict[str, list[float]] = {}
    found: dict[str, int] = {}
    peers = [name for name in PROGRAMS[part] if name == "ours" or name in args.peers]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "given.json"
        path.write_text(json.dumps(given), encoding="utf-8")
        for _ in range(args.turns):
            for name in peers:
                of = measured(sys.executable if name == "ours" else python, part, name, path, 1)
                seconds.setdefault(name, []).extend(of["seconds"])
                found[name] = of["found"]
    units = found["ours"] if part == "sentences" else len(given)
    ours = statistics.median(seconds["ours"])
    what = "sentences" if part == "sentences" else "pairs of names"
    for name in peers:
        middle = statistics.median(seconds[name])
        print(
            f"  {name:8} {1e6 * middle / units:10.2f} us of each of {units}, "
            f"{middle / ours:8.2f} times ours, {found[name]} {what}",
            flush=True,
        )


def main() -> None:
    """Prints the figures."""
    parser = parser_of(__doc__)
    add_texts(parser)
    parser.add_argument("--names", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--peers", default=",".join(VERSIONS))
    parser.add_argument("--environment", type=Path, default=ROOT / "build" / "peers")
    parser.add_argument("--python", help="an interpreter that has the other programs")
    args = parser.parse_args()
    args.peers = args.peers.split(",")
    if unknown := set(args.peers) - set(VERSIONS):
        parser.error(f"--peers: {', '.join(sorted(unknown))}: not among {', '.join(VERSIONS)}")
    python = args.python or make_environment(args.environment, args.peers)
    texts = read_texts(args)
    print(f"sentences of {len(texts)} documents:", flush=True)
    compare("sentences", texts, python, args)
    print("near names:", flush=True)
    compare("names", made_names(args.names), python, args)


if __name__ == "__main__":
    main()
