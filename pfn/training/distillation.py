"""Distillation: texts without annotation are labelled by models, for another to learn from.

What a model says of text that it was not trained on is worth learning, and what several say
together is worth more (Hinton et al., 2015, "Distilling the Knowledge in a Neural Network"):
targets are the means of their probabilities, not what they accept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from pfn_kg.pfn.checkpoint import find_model
from pfn_kg.pfn.extractor import Extractor, Precision
from pfn_kg.pfn.inference.inputs import InputEncoder, Window
from pfn_kg.pfn.inference.sentences import split_sentences
from pfn_kg.pfn.training.gold_cells import GoldCells
from pfn_kg.pfn.training.windows import DocumentCells, TargetsAcross
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Sentence

# What scores less counts as not there: nearly all of it is wrong.
_FLOOR = 0.02


class _Taught(NamedTuple):
    """What teachers say of a document, each with the sum of its probabilities.

    Attributes:
        mentions: by (begin, end, type).
        heads: by (head of the subject, relation, head of the object).
        tails: by (end of the subject, relation, end of the object).
    """

    mentions: defaultdict[tuple[int, int, str], float]
    heads: defaultdict[tuple[int, str, int], float]
    tails: defaultdict[tuple[int, str, int], float]


def taught_documents(
    texts: Sequence[str],
    teachers: Iterable[str],
    *,
    encoder: InputEncoder,
    language: str = "en",
    precision: Precision = "auto",
) -> list[DocumentCells]:
    """Labels texts with the mean of what teachers say.

    Each teacher reads in the windows that it was trained on. Of a label that only some teachers
    have, it is the mean of those; what teachers say of labels that the trained model has not is
    left out.

    Args:
        texts: documents without annotation.
        teachers: names or folders of models.
        encoder: of the model that is trained.
        language: code of the texts' language, for the sentence splitter.
        precision: that the teachers' text encoders read at.

    Raises:
        ConfigurationError: if there is no such teacher, or none has a label of the model that
            is trained.
    """
    config = encoder.config
    labels = {*config.entity_types, *config.relation_types}
    split = [split_sentences(text, language) for text in texts]
    taught = [_Taught(*(defaultdict(float) for _ in _Taught._fields)) for _ in texts]
    knowing: Counter[str] = Counter()
    for name in teachers:
        teacher = Extractor.from_pretrained(find_model(name, field="teacher"), precision=precision)
        own = {*teacher.config.entity_types, *teacher.config.relation_types}
        if config.tail_table and not teacher.config.tail_table:
            raise ConfigurationError(f"{name} has no tail table", field="teacher")
        knowing.update(own)
        # Calibration is fitted to what may be accepted, and is too high for all the rest.
        teacher.config.calibration = None
        # Which of mentions that overlap is best is for the one who learns to say.
        teacher.config.flat_entities = False
        for of_document, heads in zip(
            taught,
            teacher.predict_documents(texts, split, entity_floor=_FLOOR, relation_floor=_FLOOR),
            strict=True,
        ):
            _add(of_document, heads, labels)
    for label in sorted(labels - set(knowing)):
        raise ConfigurationError(
            f"none has the label {label!r}, which `train` has", field="teacher"
        )
    encoded = encoder.encode(
        [text[s.begin : s.end] for text, of_text in zip(texts, split, strict=True) for s in of_text]
    )
    windows = iter(encoded)
    return [
        _cells(
            _mean(of_document, knowing),
            [(sentence, next(windows)) for sentence in sentences],
            encoder,
        )
        for of_document, sentences in zip(taught, split, strict=True)
    ]


def _add(taught: _Taught, heads: DocumentHeads, labels: Set[str]) -> None:
    for error in heads.errors.values():
        raise error
    for mention in heads.mentions:
        if mention.type in labels:
            taught.mentions[mention.begin, mention.end, mention.type] += mention.score
    for sums, triples in ((taught.heads, heads.head_triples), (taught.tails, heads.tail_triples)):
        triple: HeadTriple
        for triple in triples or ():
            if triple.relation in labels:
                sums[triple.subject, triple.relation, triple.object] += triple.score


def _mean(taught: _Taught, knowing: Counter[str]) -> _Taught:
    for mention in taught.mentions:
        taught.mentions[mention] /= knowing[mention[2]]
    for sums in (taught.heads, taught.tails):
        for triple in sums:
            sums[triple] /= knowing[triple[1]]
    return taught


def _cells(
    taught: _Taught, sentences: Sequence[tuple[Sentence, list[Window]]], encoder: InputEncoder
) -> DocumentCells:
    """Places what is said of a document in the tables of its sentences.

    What begins or ends inside a word can't be said by the tables and is left out.
    """
    types, relations = (
        {name: number for number, name in enumerate(names)}
        for names in (encoder.config.entity_types, encoder.config.relation_types)
    )
    cells_of_sentences: list[list[GoldCells]] = []
    # Where words begin, and where they end: sentence, window of it, row.
    begins, ends = defaultdict(list), defaultdict(list)
    for sentence, windows in sentences:
        if not windows:
            continue
        for part, window in enumerate(windows):
            for (begin, end), row in zip(window.words, encoder.rows(window), strict=True):
                begins[sentence.begin + begin].append((len(cells_of_sentences), part, row))
                ends[sentence.begin + end].append((len(cells_of_sentences), part, row))
        cells_of_sentences.append([GoldCells(window, {}, {}, {}) for window in windows])
    for (begin, end, type_), target in taught.mentions.items():
        for place, part, first in begins[begin]:
            for *same, last in ends[end]:
                if same == [place, part]:
                    cells_of_sentences[place][part].entities[first, last, types[type_]] = target
    across: tuple[TargetsAcross, TargetsAcross] = {}, {}
    for table, triples in enumerate((taught.heads, taught.tails)):
        rows = ends if table else begins
        for (subject, relation, object_), target in triples.items():
            label = relations[relation]
            for place, part, row in rows[subject]:
                for other, other_part, column in rows[object_]:
                    if (place, part) == (other, other_part):
                        cells = cells_of_sentences[place][part]
                        (cells.tails if table else cells.relations)[row, column, label] = target
                    elif place != other:
                        across[table][place, row, other, column, label] = target
    return DocumentCells(cells_of_sentences, *across)
