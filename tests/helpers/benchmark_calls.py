"""Calls of benchmarks, as their users make them."""

import importlib
import sys

import pytest

from helpers.corpora import ROOT


def printed(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    *arguments: object,
) -> str:
    """What a benchmark prints; parts of it may run in processes of their own."""
    # It is found from the root of the checkout, where it is called.
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    importlib.import_module(f"benchmarks.{name}").main()
    return capsys.readouterr().out
