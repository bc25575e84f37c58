"""The model as a component of a spaCy pipeline: it fills `doc.ents` and `doc._.relations`.

An installed package registers the factory `pfn_kg` with spaCy; in a checkout an import of this
module does.
"""

# No `from __future__ import annotations`: spaCy checks the configuration of a component by the
# annotations of its factory, which must be types.

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Optional

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.schemas.records import DocumentExtraction, Mention

try:
    import spacy.util
    from spacy.language import Language
    from spacy.tokens import Doc, Span
except ImportError:
    raise ConfigurationError(how_to_install("spacy", "spacy")) from None

#: The name of the component, of its group in `doc.spans`, and of its data in `doc.user_data`.
NAME = "pfn_kg"
_KEY = f"{NAME}.relations"


class Relation(NamedTuple):
    """A relation between two mentions of a document.

    Attributes:
        subject: tokens of the subject.
        relation: name of the relation.
        object: tokens of the object.
        score: probability in [0, 1].
    """

    subject: Span
    relation: str
    object: Span
    score: float


class PfnComponent:
    """Reads documents with the model.

    All mentions go to `doc.spans["pfn_kg"]`, in the order of the model's mentions. `doc.ents` can
    hold no overlapping ones: it gets the longest, and keeps what an earlier component put there
    where it does not overlap. `doc._.relations` is a list of `Relation`.

    Args:
        extractor: the model.
        entity_threshold: lambda_e of eq. 13; the model's own by default.
        relation_threshold: lambda_r of eq. 13; the model's own by default.

    Example:
        >>> nlp = spacy.blank("en")  # doctest: +SKIP
        >>> nlp.add_pipe("pfn_kg")  # doctest: +SKIP
        >>> nlp("Ada Lovelace was born in London.")._.relations  # doctest: +SKIP
    """

    def __init__(
        self,
        extractor: Extractor,
        *,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
    ):
        self._extractor = extractor
        self._entity_threshold = entity_threshold
        self._relation_threshold = relation_threshold

    def __call__(self, doc: Doc) -> Doc:
        """Reads one document."""
        return self._read([doc])[0]

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 32) -> Iterator[Doc]:
        """Reads documents in batches.

        Args:
            stream: the documents.
            batch_size: how many are given to the model at once.
        """
        for docs in spacy.util.minibatch(stream, size=batch_size):
            yield from self._read(docs)

    def _read(self, docs: Sequence[Doc]) -> list[Doc]:
        texts = [doc.text for doc in docs]
        found = self._extractor.extract_documents(
            texts,
            entity_threshold=self._entity_threshold,
            relation_threshold=self._relation_threshold,
        )
        for doc, extraction in zip(docs, found, strict=True):
            _annotate(doc, extraction)
        return list(docs)


def _annotate(doc: Doc, extraction: DocumentExtraction) -> None:
    spans = [_span(doc, mention) for mention in extraction.mentions]
    doc.spans[NAME] = spans
    doc.ents = spacy.util.filter_spans([*spans, *doc.ents])
    # Numbers and strings alone, so that `Doc.to_bytes` and `DocBin` take them.
    doc.user_data[_KEY] = [
        [triple.subject, triple.relation, triple.object, float(triple.score)]
        for triple in extraction.triples
    ]


def _span(doc: Doc, mention: Mention) -> Span:
    # A mention that begins or ends within a token gets all of the token.
    span = doc.char_span(mention.begin, mention.end, label=mention.type, alignment_mode="expand")
    assert span is not None  # tokens cover all of a text
    return span


def _relations(doc: Doc) -> list[Relation]:
    rows: list[list[Any]] = doc.user_data.get(_KEY, [])
    spans = doc.spans[NAME] if rows else ()
    return [Relation(spans[row[0]], row[1], spans[row[2]], row[3]) for row in rows]


Doc.set_extension("relations", getter=_relations, force=True)


@Language.factory(
    NAME,
    assigns=["doc.ents", "doc.spans", "doc._.relations"],
    default_config={
        "model": None,
        "device": "auto",
        "entity_threshold": None,
        "relation_threshold": None,
    },
)
def make_component(
    nlp: Language,
    name: str,
    model: Optional[str],  # noqa: UP045
    device: str,
    entity_threshold: Optional[float],  # noqa: UP045
    relation_threshold: Optional[float],  # noqa: UP045
) -> PfnComponent:
    """Makes the component for `nlp.add_pipe("pfn_kg", config={...})`.

    Args:
        nlp: the pipeline.
        name: of the component in it.
        model: as for `Extractor.from_pretrained`.
        device: likewise.
        entity_threshold: as for `PfnComponent`.
        relation_threshold: likewise.

    Raises:
        ConfigurationError: if there is no such model or device.
    """
    extractor = Extractor.from_pretrained(model, device=device)
    return PfnComponent(
        extractor, entity_threshold=entity_threshold, relation_threshold=relation_threshold
    )
