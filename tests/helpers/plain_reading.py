"""Reading as it is said, one word and one cell after the other: what the arrays are held to."""

from __future__ import annotations

import torch

from pfn_kg.pfn.inference.decoding import decode
from pfn_kg.pfn.inference.flat_entities import between
from pfn_kg.pfn.inference.inputs import WORD_PIECES, Window
from pfn_kg.pfn.inference.segmentation import segment
from pfn_kg.pfn.inference.windows import cut_windows, join_sentences
from pfn_kg.pfn.model.word_shape import word_shape
from pfn_kg.schemas.records import DocumentHeads, HeadTriple, Mention


def plain_windows(inputs, text):
    """The windows of a text, as `InputEncoder.encode` gives them."""
    config, tokenizer = inputs.config, inputs.tokenizer
    words = segment(text, config.segmentation)
    if not words:
        return []
    spelt = [text[b:e] for b, e in words]
    encoding = tokenizer([spelt], is_split_into_words=True, add_special_tokens=False, verbose=False)
    of_word = {}
    for word, piece in zip(encoding.word_ids(0), encoding["input_ids"][0], strict=True):
        of_word.setdefault(word, []).append(piece)
    size = max(1, min(config.window_pieces, inputs.longest - inputs.special_pieces))
    before = [i for i in (tokenizer.cls_token_id, tokenizer.bos_token_id) if i is not None][:1]
    after = [i for i in (tokenizer.sep_token_id, tokenizer.eos_token_id) if i is not None][:1]
    kept = list(of_word)
    pieces = [of_word[w][: min(WORD_PIECES, size)] for w in kept]
    windows = []
    for begin, end in cut_windows(
        [len(p) for p in pieces], size, min(config.window_overlap, size // 2)
    ):
        ids, firsts, shapes = [*before], [], [0] * len(before)
        for place in range(begin, end):
            firsts.append(len(ids))
            ids += pieces[place]
            shapes += [word_shape(spelt[kept[place]])] * len(pieces[place])
        windows.append(
            Window(
                [words[w] for w in kept[begin:end]],
                ids + after,
                firsts,
                shapes + [0] * len(after),
                begin > 0,
                end < len(kept),
            )
        )
    return windows


def plain_batch(inputs, windows):
    """Windows padded to one batch, as `InputEncoder.collate` gives it."""
    padding = inputs.tokenizer.pad_token_id or 0
    longest = max(len(w.pieces) for w in windows)
    if inputs.config.positions == "words":
        positions = [w.first_pieces for w in windows]
    else:
        positions = [list(range(len(w.pieces))) for w in windows]
    length = max(map(len, positions))

    def padded(rows, width, with_):
        return torch.tensor([[*row, *[with_] * (width - len(row))] for row in rows])

    batch = {
        "input_ids": padded([w.pieces for w in windows], longest, padding),
        "attention_mask": padded([[1] * len(w.pieces) for w in windows], longest, 0),
        "position_index": padded(positions, length, 0),
        "position_mask": padded([[True] * len(p) for p in positions], length, False),
    }
    if any(w.sentences for w in windows):
        numbers = []
        for window, of_window in zip(windows, positions, strict=True):
            word = -1
            numbers.append([])
            for place, position in enumerate(of_window):
                if inputs.config.positions == "words":
                    word = place
                elif position in window.first_pieces:
                    word += 1
                sentences = window.sentences or [0] * len(window.words)
                numbers[-1].append(sentences[max(word, 0)])
        batch["sentence_ids"] = padded(numbers, length, 0)
    if inputs.config.word_shapes:
        batch["shape_ids"] = padded([w.shapes for w in windows], longest, 0)
    return batch


def _jobs(inputs, text, sentences, window_tokens):
    """(first sentence, last sentence, window) of all windows of a text."""
    encoded = [plain_windows(inputs, text[s.begin : s.end]) for s in sentences]

    def moved(window, by):
        return window._replace(words=[(b + by, e + by) for b, e in window.words])

    def alone(number):
        by = sentences[number].begin
        return [(number, number, moved(window, by)) for window in encoded[number]]

    if not window_tokens:
        return [job for number in range(len(sentences)) for job in alone(number)]
    filled = [number for number, windows in enumerate(encoded) if windows]
    lengths = [len(encoded[s][0].pieces) if len(encoded[s]) == 1 else None for s in filled]
    jobs = []
    for begin, end in join_sentences(lengths, window_tokens, inputs.config.shared_sentences):
        if end - begin == 1:
            jobs += alone(filled[begin])
            continue
        chosen = filled[begin:end]
        joined = inputs.join([encoded[s][0] for s in chosen], [sentences[s].begin for s in chosen])
        jobs.append((chosen[0], chosen[-1], joined))
    return jobs


def plain_heads(extractor, texts, sentences, *, floor, token_budget, window_tokens):
    """What the model says of texts, as `Extractor.predict_documents` gives it."""
    inputs, config = extractor.inputs, extractor.config
    window_tokens = min(window_tokens, inputs.longest)
    jobs = [
        (number, window)
        for number, (text, of_text) in enumerate(zip(texts, sentences, strict=True))
        for _, _, window in _jobs(inputs, text, of_text, window_tokens)
    ]
    jobs.sort(key=lambda job: -len(job[1].pieces))
    # Of each text the scores of what windows say of it.
    found = [([], {}, {}, {}) for _ in texts]
    while jobs:
        size = max(1, token_budget // len(jobs[0][1].pieces))
        batch, jobs = jobs[:size], jobs[size:]
        decoded = decode(
            extractor.model,
            plain_batch(inputs, [window for _, window in batch]),
            entity_floor=floor,
            relation_floor=floor,
        )
        for number, window in batch:
            found[number][0].append(window)
        rows = [dict(zip(inputs.rows(w), w.words, strict=True)) for _, w in batch]
        for table, cells in enumerate((decoded.entities, decoded.triples, decoded.tails)):
            if cells is None:
                continue
            for (place, row, column, label), score in zip(
                cells.places.tolist(), cells.scores.tolist(), strict=True
            ):
                number, window = batch[place]
                words = rows[place]
                if row not in words or column not in words:
                    continue
                first, second = words[row], words[column]
                if table == 0:
                    if window.continues_before and first == window.words[0]:
                        continue
                    if window.continues_after and second == window.words[-1]:
                        continue
                    key = (first[0], second[1], config.entity_types[label])
                else:
                    end = table - 1
                    key = (first[end], second[end], config.relation_types[label])
                best = found[number][1 + table]
                best[key] = max(best.get(key, 0), score)
    documents = []
    for text, of_text, (windows, spans, heads, tails) in zip(texts, sentences, found, strict=True):
        mentions = [Mention(b, e, text[b:e], t, s) for (b, e, t), s in sorted(spans.items())]
        head_triples, tail_triples = (
            [HeadTriple(s, r, o, score) for (s, o, r), score in sorted(table.items())]
            for table in (heads, tails)
        )
        if config.flat_entities:
            mentions = plain_flat(mentions)
            head_triples = between(head_triples, {m.begin for m in mentions})
            tail_triples = between(tail_triples, {m.end for m in mentions})
        documents.append(
            DocumentHeads(
                mentions,
                head_triples,
                tail_triples if config.tail_table else None,
                max(len(windows), 1),
                sum(len(plain_windows(inputs, text[s.begin : s.end])) > 1 for s in of_text),
                {},
            )
        )
    return documents


def plain_flat(mentions):
    """The mentions that overlap none with a better score which stays."""
    order = sorted(mentions, key=lambda m: (-m.score, m.begin - m.end, m))
    stay = []
    for mention in order:
        if all(m.end <= mention.begin or mention.end <= m.begin for m in stay):
            stay.append(mention)
    return sorted(stay)
