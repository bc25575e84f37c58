"""Reading: windows of sentences in batches through the model, to mentions and head triples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from pfn_kg.pfn.inference.decoding import Decoded, decode
from pfn_kg.pfn.inference.flat_entities import between, flat_mentions
from pfn_kg.pfn.inference.inputs import InputEncoder, Window
from pfn_kg.pfn.inference.parallel_batches import read_batches
from pfn_kg.pfn.inference.windows import join_sentences
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention, Sentence

#: Characters of a mention at most. Full names of law cases and of papers are shorter.
MENTION_CHARACTERS = 400


class _Job(NamedTuple):
    """A window of a text: sentences `first` to `last`, or a part of one."""

    text: int
    first: int
    last: int
    window: Window


class _Part(NamedTuple):
    """What the model says of a window, offsets those of the text."""

    mentions: list[Mention]
    head_triples: list[HeadTriple]
    tail_triples: list[HeadTriple]


class HeadReader:
    """Reads texts sentence by sentence, or windows of several sentences.

    Args:
        model: in evaluation mode.
        inputs: the encoder of its inputs.
        entity_floor: least score of a mention.
        relation_floor: least score of a head triple.
        token_budget: most pieces in one batch, padding included.
        window_tokens: pieces of a window of sentences; 0 reads each sentence by itself.
    """

    def __init__(
        self,
        model: PFNModel,
        inputs: InputEncoder,
        *,
        entity_floor: float,
        relation_floor: float,
        token_budget: int,
        window_tokens: int = 0,
    ):
        self._model = model
        self._inputs = inputs
        self._budget = token_budget
        self._floors = (entity_floor, relation_floor)
        self._window_tokens = min(window_tokens, inputs.longest)
        self._parts: dict[int, list[_Part]] = {}
        self._errors: dict[int, dict[int, Exception]] = {}
        #: Of each text and sentence its windows; more than one if it is long.
        self._encoded: list[list[list[Window]]] = []

    def read(
        self, texts: Sequence[str], sentences: Sequence[Sequence[Sentence]]
    ) -> list[DocumentHeads]:
        """Reads texts.

        Windows are sorted by length and cut into batches of `count x longest <= budget`. A
        batch that fails is halved, down to one window; that is read again sentence by sentence,
        down to the one sentence that can't be read.

        Args:
            texts: any texts.
            sentences: those of each text, in order.

        Returns:
            One result a text, in order, offsets those of the text.
        """
        self._texts, self._sentences = texts, sentences
        self._encoded = self._encode()
        jobs = [job for text in range(len(texts)) for job in self._jobs(text)]
        # Ties by place: the same texts make the same batches.
        jobs.sort(key=lambda job: -len(job.window.pieces))
        batches, begin = [], 0
        while begin < len(jobs):
            size = max(1, self._budget // len(jobs[begin].window.pieces))
            batches.append(jobs[begin : begin + size])
            begin += size
        read_batches(self._read, batches, self._model.device)
        documents = []
        for text in range(len(texts)):
            parts = self._parts.get(text, [])
            merged, heads, tails = _merge(parts)
            mentions = [m for m in merged if m.end - m.begin <= MENTION_CHARACTERS]
            long_mentions = len(merged) - len(mentions)
            if self._model.config.flat_entities:
                mentions = flat_mentions(mentions)
                heads = between(heads, {m.begin for m in mentions})
                tails = between(tails, {m.end for m in mentions})
            documents.append(
                DocumentHeads(
                    mentions,
                    heads,
                    None if self._model.re_tail is None else tails,
                    max(len(parts), 1),
                    sum(len(windows) > 1 for windows in self._encoded[text]),
                    self._errors.get(text, {}),
                    long_mentions,
                )
            )
        return documents

    def _encode(self) -> list[list[list[Window]]]:
        flat = [
            text[s.begin : s.end]
            for text, sentences in zip(self._texts, self._sentences, strict=True)
            for s in sentences
        ]
        places = [(t, s) for t, of_text in enumerate(self._sentences) for s in range(len(of_text))]
        try:
            encoded = self._inputs.encode(flat)
        except Exception:
            encoded = []
            for (text, sentence), spelt in zip(places, flat, strict=True):
                try:
                    encoded.append(self._inputs.encode([spelt])[0])
                except Exception as error:
                    encoded.append([])
                    self._errors.setdefault(text, {})[sentence] = error
        by_text: list[list[list[Window]]] = [[] for _ in self._texts]
        for (text, _), windows in zip(places, encoded, strict=True):
            by_text[text].append(windows)
        return by_text

    def _jobs(self, text: int) -> list[_Job]:
        encoded = self._encoded[text]
        if not self._window_tokens:
            return [job for sentence in range(len(encoded)) for job in self._alone(text, sentence)]
        # A sentence without a word is passed over: its neighbours are neighbours.
        filled = [sentence for sentence, windows in enumerate(encoded) if windows]
        lengths = [len(encoded[s][0].pieces) if len(encoded[s]) == 1 else None for s in filled]
        jobs = []
        shared = self._model.config.shared_sentences
        for begin, end in join_sentences(lengths, self._window_tokens, shared):
            if end - begin == 1:
                jobs += self._alone(text, filled[begin])
                continue
            joined = self._inputs.join(
                [encoded[s][0] for s in filled[begin:end]],
                [self._sentences[text][s].begin for s in filled[begin:end]],
            )
            jobs.append(_Job(text, filled[begin], filled[end - 1], joined))
        return jobs

    def _alone(self, text: int, sentence: int) -> list[_Job]:
        begin = self._sentences[text][sentence].begin
        windows = self._encoded[text][sentence]
        if begin:
            windows = [
                w._replace(words=[(b + begin, e + begin) for b, e in w.words]) for w in windows
            ]
        return [_Job(text, sentence, sentence, window) for window in windows]

    def _read(self, jobs: list[_Job]) -> None:
        try:
            batch = self._inputs.collate([job.window for job in jobs], self._model.device)
            entity, relation = self._floors
            decoded = decode(self._model, batch, entity_floor=entity, relation_floor=relation)
            parts = self._heads(decoded, jobs)
        except Exception as error:
            if self._model.device.type == "cuda":
                torch.cuda.empty_cache()
            if len(jobs) > 1:
                middle = len(jobs) // 2
                self._read(jobs[:middle])
                self._read(jobs[middle:])
                return
            (job,) = jobs
            if job.first == job.last:
                self._errors.setdefault(job.text, {})[job.first] = error
                return
            for sentence in range(job.first, job.last + 1):
                for alone in self._alone(job.text, sentence):
                    self._read([alone])
            return
        for job, part in zip(jobs, parts, strict=True):
            self._parts.setdefault(job.text, []).append(part)

    def _heads(self, decoded: Decoded, jobs: list[_Job]) -> list[_Part]:
        config = self._model.config
        types, relations = config.entity_types, config.relation_types
        parts = [_Part([], [], []) for _ in jobs]
        words = [
            dict(zip(self._inputs.rows(job.window), job.window.words, strict=True)) for job in jobs
        ]
        for (place, first, last, type_), score in zip(
            decoded.entities.places.tolist(), decoded.entities.scores.tolist(), strict=True
        ):
            # Where positions are pieces, a row may be a special token or inside a word.
            if first not in words[place] or last not in words[place]:
                continue
            job = jobs[place]
            if _is_cut(job.window, words[place][first], words[place][last]):
                continue
            begin, end = words[place][first][0], words[place][last][1]
            text = self._texts[job.text][begin:end]
            parts[place].mentions.append(Mention(begin, end, text, types[type_], score))
        for cells, end, triples_of in (
            (decoded.triples, 0, [part.head_triples for part in parts]),
            (decoded.tails, 1, [part.tail_triples for part in parts]),
        ):
            if cells is None:
                continue
            for (place, subject, object_, relation), score in zip(
                cells.places.tolist(), cells.scores.tolist(), strict=True
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
        return parts


def _is_cut(window: Window, first: tuple[int, int], last: tuple[int, int]) -> bool:
    """Whether a mention touches a cut edge: the neighbouring window sees it whole."""
    if window.continues_before and first == window.words[0]:
        return True
    return window.continues_after and last == window.words[-1]


def _merge(parts: list[_Part]) -> _Part:
    """Merges what the windows of one text say, which may overlap; the best score stays."""
    if len(parts) == 1:
        ((mentions, heads, tails),) = parts
        mentions.sort(key=lambda m: (m.begin, m.end, m.type))
        for triples in (heads, tails):
            triples.sort(key=lambda t: (t.subject, t.object, t.relation))
        return parts[0]
    best: dict[tuple, Mention] = {}
    for part in parts:
        for mention in part.mentions:
            key = (mention.begin, mention.end, mention.type)
            if key not in best or best[key].score < mention.score:
                best[key] = mention
    return _Part(
        [best[key] for key in sorted(best)],
        _best_triples([part.head_triples for part in parts]),
        _best_triples([part.tail_triples for part in parts]),
    )


def _best_triples(parts: list[list[HeadTriple]]) -> list[HeadTriple]:
    best: dict[tuple, HeadTriple] = {}
    for part in parts:
        for triple in part:
            key = (triple.subject, triple.object, triple.relation)
            if key not in best or best[key].score < triple.score:
                best[key] = triple
    return [best[key] for key in sorted(best)]
