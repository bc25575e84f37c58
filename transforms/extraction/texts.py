"""`ExtractTexts`: the model as a Beam transform for any pipeline, one record for each text.

```
(id, text) or {"id", "text", "title"} -> batches -> sentences -> RunInference (PFN) -> resolve
```

The extract phase keeps all scores from a floor and leaves thresholds and rules to the build.
This transform applies eq. 13 at once and no rule of the label schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult, RunInference

from pfn_kg.pfn.inference.cut_words import original_columns
from pfn_kg.pfn.inference.head_columns import HeadColumns
from pfn_kg.pfn.inference.resolved_heads import resolved_records
from pfn_kg.pfn.resolution import HEAD_POLICIES, HeadPolicy
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.extraction import Rejection
from pfn_kg.schemas.records import DocumentExtraction, Mention, Sentence, Triple
from pfn_kg.transforms.extraction.inference import PFNModelHandler
from pfn_kg.transforms.extraction.models import locate_model
from pfn_kg.transforms.extraction.split_chunks import SplitChunk, split_chunk
from pfn_kg.transforms.plumbing.error_lines import one_line
from pfn_kg.transforms.reading.chunks import Chunk, Document

if TYPE_CHECKING:
    from pfn_kg.pfn.extractor import Precision

_PAYLOAD = 200
# What a text counts for at least, so that a batch of short ones is bounded too.
_LEAST_CHARACTERS = 100


class ExtractedText(NamedTuple):
    """A text with all that was extracted from it.

    Offsets are characters (code points) of the text, begin inclusive, end exclusive.

    Attributes:
        id: its id; None where it had none.
        title: its title, if one was given.
        text: the text; None where it could not be read at all.
        sentences: in order.
        mentions: sorted by (begin, end, type).
        triples: sorted by (subject, object, relation); subject and object are indices into
            `mentions`, and may stand in different sentences.
        errors: why the text, or a sentence of it, was not read; empty where all was.
    """

    id: str | None
    title: str | None
    text: str | None
    sentences: list[Sentence]
    mentions: list[Mention]
    triples: list[Triple]
    errors: list[Rejection]

    def to_dict(self) -> dict[str, Any]:
        """The record as dictionaries, lists, texts and numbers, ready for JSON.

        Sentences, mentions and triples are spelt as in the JSON of `pfn-kg predict`.
        """
        extraction = DocumentExtraction(self.sentences, self.mentions, self.triples)
        return {
            "id": self.id,
            "title": self.title,
            "text": self.text,
            **extraction.to_dict(),
            "errors": [error._asdict() for error in self.errors],
        }


class ExtractTexts(beam.PTransform):
    """Extracts mentions and triples from a collection of texts.

    The input holds `(id, text)` pairs or dictionaries with `id`, `text` and, if there is one,
    `title`; an integer id becomes a decimal string. The output holds one `ExtractedText` for
    each of them, in any order. Nothing is lost: if a text is null or empty, or if the model can't
    read one of its sentences, the record says so in `errors`.

    Each process loads the model once and reads the texts of a batch together, sorted by length
    and cut by `token_budget`. The batch changes the scores of a text by less than 1e-4 (fp32), so
    a row can differ only where a score lies that near to a threshold. With `batch_characters=1`
    a record depends on its text alone.

    Put `beam.Reshuffle()` before the transform if the source gives all texts to one worker.

    Args:
        model: a folder on any file system that Beam knows, the name of a shipped model or of
            one on the Hugging Face hub; the shipped default model if None.
        language: ISO 639-1 code of the texts' language, for the sentence splitter.
        dehyphenate: whether words that a hyphen at the end of a line cuts in two are read as one,
            as in scanned texts; offsets and texts stay those of the text as it is.
        entity_threshold: lambda_e of eq. 13; the model's own by default.
        relation_threshold: lambda_r of eq. 13; the model's own by default.
        head_policy: which of several mentions that begin at one head take part in a triple:
            `all`, as in the paper, the `best` scored or the `longest`.
        window_tokens: word pieces of a window of consecutive sentences that are read
            together; 0 reads each sentence by itself; the model's own by default.
        token_budget: most word pieces, padding included, that the model reads at once; by
            default a number that suits the worker's device.
        batch_characters: characters of a batch of texts; a longer text is a batch of its own.
        device: `auto` (a GPU if the worker has one), or a device of PyTorch.
        precision: of the text encoder: `fp32`, `fp16`, `bf16`, or `auto`: fp32 on a CPU, fp16
            on a GPU. Where all workers' processors multiply bf16 (AVX512-BF16, AMX), `bf16` is
            half as fast again.

    Raises:
        ConfigurationError: if there is no such model, or if an option is wrong.

    Example:
        >>> texts | ExtractTexts() | beam.Map(lambda found: found.to_dict())  # doctest: +SKIP
    """

    def __init__(
        self,
        model: str | PathLike[str] | None = None,
        *,
        language: str = "en",
        dehyphenate: bool = False,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
        head_policy: HeadPolicy = "all",
        window_tokens: int | None = None,
        token_budget: int | None = None,
        batch_characters: int = 200_000,
        device: str = "auto",
        precision: Precision = "auto",
    ):
        super().__init__()
        if head_policy not in HEAD_POLICIES:
            raise ConfigurationError(
                f"head_policy: {head_policy!r} is not one of {', '.join(HEAD_POLICIES)}"
            )
        if precision != "auto":
            # PyTorch takes seconds to import, and is there on every machine that reads.
            from pfn_kg.pfn.extractor import PRECISIONS

            if precision not in PRECISIONS:
                raise ConfigurationError(
                    f"precision: {precision!r} is not one of {', '.join(PRECISIONS)}"
                )
        for name, value in (("token_budget", token_budget), ("batch_characters", batch_characters)):
            if value is not None and value < 1:
                raise ConfigurationError(f"{name}: {value} is not 1 or more")
        located = locate_model(model)
        self._thresholds = located.thresholds(entity_threshold, relation_threshold)
        self._head_policy = head_policy
        self._language = language
        self._dehyphenate = dehyphenate
        self._batch_characters = batch_characters
        entity_floor, relation_floor = self._thresholds
        self._handler = PFNModelHandler(
            model=located.place,
            device=device,
            precision=precision,
            token_budget=token_budget,
            entity_floor=entity_floor,
            relation_floor=relation_floor,
            window_tokens=located.window_tokens(window_tokens),
        )

    def expand(self, texts: beam.PCollection) -> beam.PCollection:
        """Applies the transform."""
        return (
            texts
            | "Documents" >> beam.Map(_document)
            | "Batch"
            >> beam.BatchElements(
                min_batch_size=self._batch_characters,
                max_batch_size=self._batch_characters,
                element_size_fn=_characters,
            )
            | "SplitSentences" >> beam.FlatMap(_split, self._language, self._dehyphenate)
            | "PFN" >> RunInference(self._handler)
            | "Resolve"
            >> beam.FlatMap(_records, self._thresholds, self._head_policy).with_output_types(
                ExtractedText
            )
        )


def _document(element: tuple[Any, Any] | Mapping[str, Any]) -> Document:
    """An element as a document; one that can't be used says why in `rejected`."""
    if isinstance(element, Mapping):
        missing = [name for name in ("id", "text") if name not in element]
        if missing:
            raise TypeError(f"ExtractTexts: a dictionary without {' and '.join(missing)}")
        id_, text, title = element["id"], element["text"], element.get("title")
    elif isinstance(element, tuple) and len(element) == 2:
        (id_, text), title = element, None
    else:
        raise TypeError(
            "ExtractTexts: an element must be an (id, text) pair or a dictionary with id and "
            f"text, not {type(element).__name__}"
        )
    document = Document(source_row=0, title=title if isinstance(title, str) else None)

    def reject(reason: str, payload: str | None = None) -> Document:
        document.rejected.append(Rejection("read", None, reason, payload))
        return document

    payload = text[:_PAYLOAD] if isinstance(text, str) else None
    if isinstance(id_, int) and not isinstance(id_, bool):
        id_ = str(id_)
    if not isinstance(id_, str):
        reason = "null" if id_ is None else f"of type {type(id_).__name__}"
        return reject(f"the id is {reason}", payload)
    if not id_:
        return reject("the id is empty", payload)
    document.document_id = id_
    if not isinstance(text, str):
        reason = "null" if text is None else f"of type {type(text).__name__}"
        return reject(f"the text is {reason}")
    if not text.strip():
        return reject("the text is empty or white space", payload)
    document.text = text
    return document


def _characters(document: Document) -> int:
    return max(_LEAST_CHARACTERS, len(document.text or ""))


def _split(documents: list[Document], language: str, dehyphenate: bool) -> Iterator[SplitChunk]:
    # BatchElements gives an empty batch where the first element of a bundle is too large.
    if documents:
        chunk = Chunk("", 0, len(documents), documents)
        yield split_chunk(chunk, language, dehyphenate)


def _records(
    result: PredictionResult, thresholds: tuple[float, float], head_policy: HeadPolicy
) -> Iterator[ExtractedText]:
    split = cast(SplitChunk, result.example)
    read = [row for row, document in enumerate(split.chunk.documents) if document.text is not None]
    columns = original_columns(
        cast(HeadColumns, result.inference), [split.joined[row] for row in read]
    )
    entity_threshold, relation_threshold = thresholds
    resolved = iter(
        resolved_records(
            columns,
            [split.chunk.documents[row].text or "" for row in read],
            entity_threshold=entity_threshold,
            relation_threshold=relation_threshold,
            head_policy=head_policy,
        )
    )
    number = 0
    for document, of_read, joined in zip(
        split.chunk.documents, split.sentences, split.joined, strict=True
    ):
        sentences = of_read if joined is None else joined.original_sentences(of_read)
        errors = list(document.rejected)
        mentions: list[Mention] = []
        triples: list[Triple] = []
        if document.text is not None:
            mentions, triples = next(resolved)
            for place, error in sorted(columns.errors.get(number, {}).items()):
                sentence = sentences[place]
                payload = document.text[sentence.begin : sentence.end][:_PAYLOAD]
                errors.append(Rejection("extract", sentence.index, one_line(error), payload))
            number += 1
        yield ExtractedText(
            document.document_id,
            document.title,
            document.text,
            sentences,
            mentions,
            triples,
            errors,
        )
