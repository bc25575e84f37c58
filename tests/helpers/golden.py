"""Golden files: what people read, as it was agreed."""

import os
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "data" / "golden"


def check_golden(name: str, text: str) -> None:
    """Compares a text with the golden file of that name; PFN_KG_WRITE_GOLDEN=1 writes the file."""
    path = GOLDEN / name
    if os.environ.get("PFN_KG_WRITE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
