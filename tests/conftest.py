"""What many tests share."""

from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def tiny_model() -> Path:
    """Folder of a tiny checkpoint that finds some mentions and triples in ordinary text."""
    return DATA / "tiny_model"
