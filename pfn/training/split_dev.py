"""A development set out of training data, and warnings where there is too little to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

from pfn_kg.pfn.readers.records import Annotated, AnnotatedDocument, Reading
from pfn_kg.pfn.training.cross_validation import DEV_PART
from pfn_kg.schemas.errors import ConfigurationError

#: A model does not learn a label from fewer examples.
FEWEST_EXAMPLES = 20
#: Fewer sentences than that give no model worth using.
FEWEST_SENTENCES = 200
# Labels that a warning names.
_NAMED = 5


def split_dev(reading: Reading, seed: int) -> tuple[Reading, Reading]:
    """Parts a development set from training data, by whole documents.

    Args:
        reading: the training data. Documents that are annotated in part stay in the training set,
            because scores need whole ones.
        seed: of the draw.

    Returns:
        What is left to train on, and the development set: `DEV_PART` of the documents, one at
        least. Both keep the order of the data.

    Raises:
        ConfigurationError: if there are fewer than two documents to part.
    """
    parts = list(_documents(reading))
    whole = [n for n, (_, _, d) in enumerate(parts) if d is None or d.annotated == Annotated()]
    if len(whole) < 2:
        raise ConfigurationError(
            "is missing, and `train` has too few documents to part one from it", field="dev"
        )
    Random(f"{seed} dev").shuffle(whole)
    held_out = set(whole[: max(1, round(DEV_PART * len(whole)))])
    split = Reading(), Reading()
    split[0].skipped = reading.skipped
    split[0].relations = split[1].relations = reading.relations
    for number, (begin, end, document) in enumerate(parts):
        part = split[number in held_out]
        first = len(part)
        part += reading[begin:end]
        if document is not None:
            part.documents.append(document._replace(begin=first, end=len(part)))
    return split


def _documents(reading: Reading) -> Iterator[tuple[int, int, AnnotatedDocument | None]]:
    """Begin, end and, where the format has it, annotation of each document."""
    if reading.documents:
        for document in reading.documents:
            yield document.begin, document.end, document
        return
    begin = 0
    for end in range(1, len(reading) + 1):
        if end == len(reading) or reading[end].document_id != reading[begin].document_id:
            yield begin, end, None
            begin = end


def too_few(reading: Reading) -> list[str]:
    """What training data has too few examples of, a line each.

    Args:
        reading: the training data.
    """
    lines = []
    if len(reading) < FEWEST_SENTENCES:
        lines.append(
            f"{len(reading)} training sentences are few; below {FEWEST_SENTENCES} a model mostly "
            "learns them by heart"
        )
    types = Counter(type_ for sentence in reading for _, _, type_ in sentence.entities)
    relations = Counter(name for sentence in reading for _, name, _ in sentence.triples)
    for document in reading.documents:
        # Of a fact in several sentences each counts; one without a sentence counts once.
        relations.update(
            {name for _, name, _ in document.facts}
            - {
                name
                for sentence in reading[document.begin : document.end]
                for _, name, _ in sentence.triples
            }
        )
    for kind, counts in (("entity types", types), ("relations", relations)):
        rare = sorted((n, name) for name, n in counts.items() if n < FEWEST_EXAMPLES)
        if rare:
            named = ", ".join(f"{name} ({n})" for n, name in rare[:_NAMED])
            more = f" and {len(rare) - _NAMED} more" if len(rare) > _NAMED else ""
            lines.append(
                f"{len(rare)} of {len(counts)} {kind} have fewer than {FEWEST_EXAMPLES} examples: "
                f"{named}{more}"
            )
    return lines
