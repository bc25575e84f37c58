"""The page about costs has the tables that its command prints, and they add up."""

import sys

import pytest

from helpers.corpora import ROOT

sys.path.insert(0, str(ROOT))
from benchmarks import costs

PAGE = ROOT / "docs" / "background" / "costs.md"


def printed(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["costs", *arguments])
    costs.main()
    return capsys.readouterr().out.strip().split("\n\n")


def test_the_page_has_what_is_printed(capsys, monkeypatch):
    page = PAGE.read_text(encoding="utf-8")
    for table in printed(capsys, monkeypatch):
        assert table in page


def test_hours_and_money_of_a_small_corpus(capsys, monkeypatch):
    own, calls = printed(
        capsys, monkeypatch, "--documents", "14100", "--sentences", "36", "--tokens", "10",
        "--core-hour", "2", "--instructions", "100", "--answer", "5", "--llm", "a, b,1,10",
    )  # fmt: skip
    # 14,100 times 36 sentences at 141 a second are an hour.
    assert "| a core, fp32 | 141 | 1.0 | $2.00 | $2.00 |" in own
    # In: 14,100 times (360 + 100) tokens; out: 14,100 times 36 times 5.
    money = (14_100 * 460 * 1 + 14_100 * 180 * 10) / 1e6
    assert calls.splitlines()[2:] == [f"| a, b | 6 M | 3 M | $1.00 | $10.00 | ${money:.0f} |"]


def test_speeds_are_those_of_the_pages():
    """A figure that is measured anew on its page is changed here too."""
    performance = (ROOT / "docs/background/performance.md").read_text(encoding="utf-8")
    cluster = (ROOT / "docs/how-to/run_on_a_cluster.md").read_text(encoding="utf-8")
    assert "| Re-DocRED test, 835 | fp32 | 141 |" in performance
    assert "| | bf16 | 258 |" in performance
    assert "5.42 and 5.86 s of a core" in performance
    assert "With 80,000 sentences" in performance
    assert "one process read 2,000 sentences per second and eight read 4,400" in cluster
    assert [speed for *_, speed in costs.SPEEDS] == [141, 258, 2000, 4400]
    assert pytest.approx(5.86 / 80_000) == costs.BUILD_SECONDS
