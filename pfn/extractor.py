"""The extractor: texts in, mentions and triples with character offsets out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import Literal, TypeAlias

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import logging

from pfn.checkpoint import find_model
from pfn.configuration import PFNConfig
from pfn.decoding import Decoded, decode
from pfn.inputs import InputEncoder, Window
from pfn.modeling import PFNModel
from pfn.packed_linear import pack_linears
from pfn.resolution import HeadPolicy, resolve
from pfn.sentences import split_sentences
from pfn.token_budget import default_token_budget
from schemas.errors import ConfigurationError
from schemas.records import (
    DocumentExtraction,
    Extraction,
    HeadExtraction,
    HeadTriple,
    Mention,
)

Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "fp16", "bf16")
_DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class Extractor:
    """A PFN model with its tokenizer, ready to read text.

    Args:
        model: the model; put into evaluation mode, its linear layers packed for inference
            (`pfn.packed_linear`).
        tokenizer: the encoder's tokenizer.

    Example:
        >>> extractor = Extractor.from_pretrained()  # doctest: +SKIP
        >>> extractor.extract(["Ada Lovelace was born in London."])[0].mentions  # doctest: +SKIP
    """

    def __init__(self, model: PFNModel, tokenizer: PreTrainedTokenizerBase):
        self.model = model.eval()
        pack_linears(model)
        self.tokenizer = tokenizer
        self.inputs = InputEncoder(tokenizer, model.config)
        self._lock = threading.Lock()

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> Extractor:
        """Loads a checkpoint.

        Args:
            name: a folder, the name of a shipped model or of one on the Hugging Face hub;
                the shipped default model if None.
            device: `auto` (a GPU if there is one), or a device of PyTorch such as `cpu` or
                `cuda:1`.
            precision: of weights and activations: `fp32`, `fp16`, `bf16`, or `auto`: fp32
                on a CPU, fp16 on a GPU.

        Raises:
            ConfigurationError: if there is no such model, device or precision.
        """
        folder = find_model(None if name is None else str(name))
        if precision not in PRECISIONS:
            raise ConfigurationError(
                f"--precision: {precision!r} is not one of {', '.join(PRECISIONS)}"
            )
        place = find_device(device)
        if precision == "auto":
            precision = "fp32" if place.type == "cpu" else "fp16"
        try:
            with _no_progress_bar():
                model = PFNModel.from_pretrained(folder, dtype=_DTYPES[precision])
            tokenizer = AutoTokenizer.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"--model: {folder} can't be loaded: {reason}") from error
        torch.nn.Module.to(model, place)
        return cls(model, tokenizer)

    @property
    def config(self) -> PFNConfig:
        """The configuration of the model."""
        return self.model.config

    @property
    def default_token_budget(self) -> int:
        """Pieces, padding included, of one batch: what the device reads well at once."""
        return default_token_budget(self.model.device.type)

    def extract(
        self,
        texts: Sequence[str],
        *,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
        head_policy: HeadPolicy = "all",
        token_budget: int | None = None,
    ) -> list[Extraction]:
        """Reads each text as one sentence.

        Args:
            texts: any texts; longer ones than the model reads at once are windowed.
            entity_threshold: lambda_e of eq. 13; the model's own by default.
            relation_threshold: lambda_r of eq. 13; the model's own by default.
            head_policy: see `pfn.resolution.resolve`.
            token_budget: most pieces in one batch.

        Returns:
            One extraction a text, in order; offsets are those of the text.
        """
        entity, relation = self.thresholds(entity_threshold, relation_threshold)
        found = []
        for heads in self.predict_heads(texts, token_budget, entity, relation):
            if isinstance(heads, Exception):
                raise heads
            found.append(
                Extraction(
                    *resolve(
                        heads.mentions,
                        heads.head_triples,
                        entity_threshold=entity,
                        relation_threshold=relation,
                        head_policy=head_policy,
                        tail_triples=heads.tail_triples,
                    )
                )
            )
        return found

    def extract_documents(
        self, texts: Sequence[str], *, language: str = "en", **options
    ) -> list[DocumentExtraction]:
        """Splits each text into sentences and reads those.

        Args:
            texts: documents.
            language: code of their language, for the sentence splitter.
            options: of `extract`.

        Returns:
            One extraction a document; offsets are those of the document.
        """
        split = [split_sentences(text, language) for text in texts]
        flat = [
            text[s.begin : s.end] for text, found in zip(texts, split, strict=True) for s in found
        ]
        extractions = iter(self.extract(flat, **options))
        documents = []
        for sentences in split:
            mentions: list[Mention] = []
            triples = []
            for sentence in sentences:
                extraction = next(extractions)
                first = len(mentions)
                mentions += [
                    m._replace(begin=m.begin + sentence.begin, end=m.end + sentence.begin)
                    for m in extraction.mentions
                ]
                triples += [
                    t._replace(subject=t.subject + first, object=t.object + first)
                    for t in extraction.triples
                ]
            documents.append(DocumentExtraction(sentences, mentions, triples))
        return documents

    def predict_heads(
        self,
        texts: Sequence[str],
        token_budget: int | None = None,
        entity_floor: float = 0.1,
        relation_floor: float = 0.1,
    ) -> list[HeadExtraction | Exception]:
        """Reads each text as one sentence and keeps all that scores at least the floors.

        Texts are sorted by length and cut into batches of `count x longest <= budget`. A
        batch that fails is halved, down to the one text that can't be read. May be called
        from several threads; they take turns.

        Args:
            texts: any texts.
            token_budget: most pieces in one batch, padding included.
            entity_floor: least score of a mention.
            relation_floor: least score of a head triple.

        Returns:
            One result a text, in order; for a text that can't be read, the exception.
        """
        budget = token_budget or self.default_token_budget
        results: list[HeadExtraction | Exception] = [HeadExtraction([], []) for _ in texts]
        with self._lock:
            encoded = self._encode(texts, results)
            jobs = [(i, w) for i, windows in encoded.items() for w in windows]
            # Ties by place: the same texts make the same batches.
            jobs.sort(key=lambda job: -len(job[1].pieces))
            parts: dict[int, list[HeadExtraction]] = {}
            begin = 0
            while begin < len(jobs):
                size = max(1, budget // len(jobs[begin][1].pieces))
                self._read(
                    jobs[begin : begin + size], texts, entity_floor, relation_floor, parts, results
                )
                begin += size
        for index, found in parts.items():
            if not isinstance(results[index], Exception):
                results[index] = found[0] if len(found) == 1 else _merge(found)
        return results

    def _encode(
        self, texts: Sequence[str], results: list[HeadExtraction | Exception]
    ) -> dict[int, list[Window]]:
        try:
            return dict(enumerate(self.inputs.encode(texts)))
        except Exception:
            pass
        encoded = {}
        for index, text in enumerate(texts):
            try:
                encoded[index] = self.inputs.encode([text])[0]
            except Exception as error:
                results[index] = error
        return encoded

    def _read(
        self,
        jobs: list[tuple[int, Window]],
        texts: Sequence[str],
        entity_floor: float,
        relation_floor: float,
        parts: dict[int, list[HeadExtraction]],
        results: list[HeadExtraction | Exception],
    ) -> None:
        windows = [window for _, window in jobs]
        try:
            batch = self.inputs.collate(windows, self.model.device)
            decoded = decode(self.model, batch, entity_floor, relation_floor)
            found = self._heads(decoded, jobs, texts)
        except Exception as error:
            if self.model.device.type == "cuda":
                torch.cuda.empty_cache()
            if len(jobs) == 1:
                results[jobs[0][0]] = error
                return
            middle = len(jobs) // 2
            for half in (jobs[:middle], jobs[middle:]):
                self._read(half, texts, entity_floor, relation_floor, parts, results)
            return
        for (index, _), heads in zip(jobs, found, strict=True):
            parts.setdefault(index, []).append(heads)

    def _heads(
        self, decoded: Decoded, jobs: list[tuple[int, Window]], texts: Sequence[str]
    ) -> list[HeadExtraction]:
        types, relations = self.config.entity_types, self.config.relation_types
        found = [
            HeadExtraction([], [], tail_triples=None if decoded.tails is None else []) for _ in jobs
        ]
        words = [
            dict(zip(self.inputs.rows(window), window.words, strict=True)) for _, window in jobs
        ]
        for (place, first, last, type_), score in zip(
            decoded.entities.places.tolist(), decoded.entities.scores.tolist(), strict=True
        ):
            # Where positions are pieces, a row may be a special token or inside a word.
            if first not in words[place] or last not in words[place]:
                continue
            window = jobs[place][1]
            if _is_cut(window, words[place][first], words[place][last]):
                continue
            begin, end = words[place][first][0], words[place][last][1]
            text = texts[jobs[place][0]][begin:end]
            found[place].mentions.append(Mention(begin, end, text, types[type_], score))
        for places, scores, end, name in (
            (decoded.triples.places, decoded.triples.scores, 0, "head_triples"),
            *(((*decoded.tails, 1, "tail_triples"),) if decoded.tails is not None else ()),
        ):
            triples_of = [getattr(heads, name) for heads in found]
            for (place, subject, object_, relation), score in zip(
                places.tolist(), scores.tolist(), strict=True
            ):
                if subject in words[place] and object_ in words[place]:
                    triples_of[place].append(
                        HeadTriple(
                            words[place][subject][end],
                            relations[relation],
                            words[place][object_][end],
                            score,
                        )
                    )
        for heads in found:
            heads.mentions.sort(key=lambda m: (m.begin, m.end, m.type))
            for triples in (heads.head_triples, heads.tail_triples or []):
                triples.sort(key=lambda t: (t.subject, t.object, t.relation))
        return found

    def thresholds(self, entity: float | None, relation: float | None) -> tuple[float, float]:
        """The given thresholds (lambda_e and lambda_r), the model's own where None."""
        return (
            self.config.entity_threshold if entity is None else entity,
            self.config.relation_threshold if relation is None else relation,
        )


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Loading takes a second: a bar that flashes up is noise on a worker's log."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def find_device(device: str) -> torch.device:
    """The device of a name; never another one than was asked for.

    Args:
        device: `auto` or a device of PyTorch.

    Raises:
        ConfigurationError: if it is unknown or not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigurationError(f"--device: {device!r} can't be used: {reason}") from None
    return place


def _is_cut(window: Window, first: tuple[int, int], last: tuple[int, int]) -> bool:
    """Whether a mention touches a cut edge: the neighbouring window sees it whole."""
    if window.continues_before and first == window.words[0]:
        return True
    return window.continues_after and last == window.words[-1]


def _merge(parts: list[HeadExtraction]) -> HeadExtraction:
    """Merges what overlapping windows of one sentence say; the best score stays."""
    mentions: dict[tuple, Mention] = {}
    triples: dict[tuple, HeadTriple] = {}
    tails: dict[tuple, HeadTriple] = {}
    for part in parts:
        for mention in part.mentions:
            key = (mention.begin, mention.end, mention.type)
            if key not in mentions or mentions[key].score < mention.score:
                mentions[key] = mention
        for best, found in ((triples, part.head_triples), (tails, part.tail_triples or [])):
            for triple in found:
                key = (triple.subject, triple.object, triple.relation)
                if key not in best or best[key].score < triple.score:
                    best[key] = triple
    return HeadExtraction(
        [mentions[k] for k in sorted(mentions)],
        [triples[k] for k in sorted(triples)],
        len(parts),
        None if parts[0].tail_triples is None else [tails[k] for k in sorted(tails)],
    )
