"""A document that a tiny model learns by heart in seconds, and the options to train on it."""

from pathlib import Path

ENCODER = Path(__file__).parents[1] / "data" / "official" / "encoder"
DOCUMENT = {
    "title": "Made up",
    "sents": [
        ["Anna", "Bell", "was", "born", "in", "London", "."],
        ["John", "Smith", "works", "for", "Acme", "Corp", "."],
        ["The", "capital", "of", "France", "was", "Paris", "in", "1990", "."],
    ],
    "vertexSet": [
        [{"name": "Anna Bell", "sent_id": 0, "pos": [0, 2], "type": "PER"}],
        [{"name": "London", "sent_id": 0, "pos": [5, 6], "type": "LOC"}],
        [{"name": "John Smith", "sent_id": 1, "pos": [0, 2], "type": "PER"}],
        [{"name": "Acme Corp", "sent_id": 1, "pos": [4, 6], "type": "ORG"}],
        [{"name": "France", "sent_id": 2, "pos": [3, 4], "type": "LOC"}],
        [{"name": "Paris", "sent_id": 2, "pos": [5, 6], "type": "LOC"}],
    ],
    "labels": [
        {"h": 0, "t": 1, "r": "born_in", "evidence": []},
        {"h": 2, "t": 3, "r": "works_for", "evidence": []},
        {"h": 5, "t": 4, "r": "capital_of", "evidence": []},
    ],
}


def options(data, output, **changes):
    """Options of `pfn-kg train` for one file as training and dev set."""
    values = {
        "train": data,
        "dev": data,
        "format": "docred",
        "encoder": ENCODER,
        "output": output,
        "hidden-size": 16,
        "batch-size": 3,
        "dropout": 0,
        "dropconnect": 0,
        "encoder-learning-rate": 0.005,
        "head-learning-rate": 0.01,
        "threads": 1,
    } | changes
    return [part for name, value in values.items() for part in (f"--{name}", str(value))]
