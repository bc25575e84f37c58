"""The recurrence of the partition filter (eq. 1-7) on a GPU, in blocks of steps.

A step has few rows for a GPU, and takes less time than Python needs to ask for its operations. So
a block of steps is recorded once as a CUDA graph and then replayed. A graph is bound to its
tensors and their shapes: the rows of a block are rounded up to one of a few sizes, inputs are
copied into tensors that all graphs share, and the memories are read from there. Many rows keep
the GPU busy without a graph.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pfn_kg.pfn.model.step_memories import (
    StepMemories,
    fused_memories,
    one_line,
    plain_memories,
)

_LOG = logging.getLogger(__name__)
_NO_GRAPHS = "CUDA graphs are not used for the recurrence: %s"

#: Rows of the blocks that are recorded; one with more is not.
GRAPH_ROWS = (32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
#: Rows times steps of a block, and steps at most.
_BLOCK_ROWS, _BLOCK_STEPS = 1 << 14, 16
#: A block is recorded when it comes up for this time: one that is rare is not worth it.
RECORDED_AT = 4
# Largest difference between what a graph and the operations that it was recorded from make.
_TOLERANCE = 1e-4

Replay = Callable[[], None]
#: Records what a function does on the GPU; what it gives does it again.
Record = Callable[[Callable[[], None]], Replay]


class StepLayers(NamedTuple):
    """The layers of a `PartitionFilterEncoder`, and how it reads.

    Attributes:
        of_input: from x_t to candidate cell and gates.
        of_hidden: from h_{t-1} to candidate cell and gates.
        of_cell: from the memories to the cell (eq. 7).
        keep: what the weights of `of_hidden` are scaled by.
        chunk_size: width of the gates.
        mirrored: as in the encoder.
    """

    of_input: nn.Linear
    of_hidden: nn.Linear
    of_cell: nn.Linear
    keep: float
    chunk_size: int
    mirrored: bool

    @property
    def place(self) -> tuple[int, ...]:
        """Where the weights are: graphs read them there, also after they were changed."""
        layers = self[:3]
        return tuple(p.data_ptr() for layer in layers for p in (layer.weight, layer.bias))


class BlockTensors(NamedTuple):
    """The tensors of a block, each with the steps first.

    Attributes:
        x: inputs, (steps, rows, input).
        gates: candidate cell and gates before their activations, (steps, rows, width).
        memory: (steps, rows, 3 hidden).
        cell: (steps, rows, hidden).
        hidden: h_t, (steps, rows, hidden).
        first_cell: the cell before the block, (rows, hidden).
        first_hidden: h_t before the block, (rows, hidden).
    """

    x: Tensor
    gates: Tensor
    memory: Tensor
    cell: Tensor
    hidden: Tensor
    first_cell: Tensor
    first_hidden: Tensor

    @classmethod
    def of(cls, layers: StepLayers, like: Tensor, block_rows: int, rows: int) -> BlockTensors:
        """Memory for blocks of any shape, flat.

        Args:
            layers: of the encoder.
            like: a tensor of the same type and device.
            block_rows: rows times steps at most.
            rows: at most.
        """
        width, inputs = layers.of_input.weight.shape
        hidden = layers.of_cell.out_features
        per_step = (inputs, width, 3 * hidden, hidden, hidden)
        sizes = [block_rows * n for n in per_step] + [rows * hidden] * 2
        # Tensors of inference mode could not be written to outside it.
        with torch.inference_mode(False):
            return cls(*(torch.zeros(n, dtype=like.dtype, device=like.device) for n in sizes))

    def shaped(self, steps: int, rows: int, layers: StepLayers) -> BlockTensors:
        """The beginning of flat tensors as those of a block."""
        width, inputs = layers.of_input.weight.shape
        hidden = layers.of_cell.out_features
        widths = (inputs, width, 3 * hidden, hidden, hidden)
        by_step = [
            flat[: steps * rows * n].view(steps, rows, n)
            for flat, n in zip(self[:5], widths, strict=True)
        ]
        first = [flat[: rows * hidden].view(rows, hidden) for flat in self[5:]]
        return BlockTensors(*by_step, *first)


def run_block(layers: StepLayers, tensors: BlockTensors, memories: StepMemories) -> None:
    """Fills the tensors of a block from its inputs and the cell before it (eq. 1-5, 7).

    All is written into the tensors, none of which is read and then overwritten: a block may run
    any number of times.

    Args:
        layers: of the encoder.
        tensors: of the block.
        memories: eq. 1-5 of a step.
    """
    rows = tensors.x.shape[0] * tensors.x.shape[1]
    torch.addmm(
        layers.of_input.bias + layers.of_hidden.bias,
        tensors.x.view(rows, -1),
        layers.of_input.weight.t(),
        out=tensors.gates.view(rows, -1),
    )
    of_hidden, of_cell = layers.of_hidden.weight.t(), layers.of_cell.weight.t()
    cell, hidden = tensors.first_cell, tensors.first_hidden
    for step, gates in enumerate(tensors.gates):
        gates.addmm_(hidden, of_hidden, alpha=layers.keep)
        memory = tensors.memory[step]
        memories(gates, cell, memory, chunk_size=layers.chunk_size, mirrored=layers.mirrored)
        cell, hidden = tensors.cell[step], tensors.hidden[step]
        torch.addmm(layers.of_cell.bias, memory, of_cell, out=cell)  # eq. 7
        torch.tanh(cell, out=hidden)


class StepBlocks:
    """Runs the steps of an encoder in blocks.

    Not for several threads at once.

    Args:
        layers: of the encoder.
        memories: eq. 1-5 of a step.
        record: records a block; None runs all of them operation by operation.
        graph_rows: rows of the blocks that are recorded, rising.
        block_rows: rows times steps of a block, at least where it has more steps than one.
    """

    def __init__(
        self,
        layers: StepLayers,
        memories: StepMemories,
        record: Record | None,
        *,
        graph_rows: tuple[int, ...] = GRAPH_ROWS,
        block_rows: int = _BLOCK_ROWS,
    ):
        self._layers = layers
        self._memories = memories
        self._record = record
        self._graph_rows = graph_rows
        self._block_rows = max(block_rows, graph_rows[-1])
        self._place = layers.place
        self._shared: BlockTensors | None = None
        self._replays: dict[tuple[Any, ...], Replay] = {}
        self._met: dict[tuple[Any, ...], int] = {}

    @property
    def graphs(self) -> int:
        """How many blocks are recorded."""
        return len(self._replays)

    @property
    def is_current(self) -> bool:
        """Whether the weights are where they were."""
        return self._place == self._layers.place

    def run(self, x: Tensor, places: Tensor, sizes: Sequence[int], hidden_states: bool) -> Tensor:
        """The features of all rows of all steps.

        Args:
            x: inputs, (positions, input_size).
            places: which of the positions each row reads at each step, any behind the sequence's
                end, (steps, rows).
            sizes: how many rows have not ended at each step, never rising.
            hidden_states: whether they are wanted too.

        Returns:
            tanh of entity, relation and shared memory, and the hidden state if it is wanted;
            undefined behind a sequence's end; and a row of zeros behind all others,
            (steps rows + 1, 3 or 4 hidden).
        """
        size, rows = self._layers.of_cell.out_features, places.shape[1]
        flat = x.new_empty(len(sizes) * rows + 1, (3 + hidden_states) * size)
        flat[-1] = 0
        features = flat[:-1].view(len(sizes), rows, -1)
        padding = self._padded(rows) - rows
        places = functional.pad(places, (0, padding)) if padding else places
        unrecorded: BlockTensors | None = None
        before: BlockTensors | None = None
        begin = used = 0
        while begin < len(sizes) and sizes[begin]:
            running = sizes[begin]
            rows = self._padded(running)
            steps = max(1, min(_BLOCK_STEPS, self._block_rows // rows))
            following = min(steps, len(sizes) - begin)
            is_recorded = self._record is not None and rows <= self._graph_rows[-1]
            if is_recorded:
                tensors = self._shared = self._shared or BlockTensors.of(
                    self._layers, x, self._block_rows, self._graph_rows[-1]
                )
            else:
                steps = following
                tensors = unrecorded = unrecorded or BlockTensors.of(
                    self._layers, x, max(self._block_rows, rows), rows
                )
            block = tensors.shaped(steps, rows, self._layers)
            if before is None:
                block.first_cell.zero_()
                block.first_hidden.zero_()
            else:
                # The block before has as many rows or more.
                block.first_cell.copy_(before.cell[used - 1, :rows])
                block.first_hidden.copy_(before.hidden[used - 1, :rows])
            read = places[begin : begin + steps, :rows]
            if len(read) < steps:
                read = torch.cat((read, read[-1:].expand(steps - len(read), -1)))
            torch.index_select(x, 0, read.reshape(-1), out=block.x.view(steps * rows, -1))
            (self._replay(block) if is_recorded else self._operations(block))()
            part = features[begin : begin + following, :running]
            part[..., : 3 * size] = block.memory[:following, :running].tanh()  # eq. 6
            if hidden_states:
                part[..., 3 * size :] = block.hidden[:following, :running]
            before, used = block, following
            begin += following
        return flat

    def _padded(self, rows: int) -> int:
        """How many rows a block of so many gets: where they are too many for a graph, as many."""
        if self._record is None:
            return rows
        return next((size for size in self._graph_rows if size >= rows), rows)

    def _operations(self, block: BlockTensors) -> Callable[[], None]:
        return partial(run_block, self._layers, block, self._memories)

    def _replay(self, block: BlockTensors) -> Callable[[], None]:
        """What fills a block: its graph, or the operations while it is rare."""
        operations = self._operations(block)
        # The precision of products is that of the time of recording.
        key = (block.x.shape, _products())
        if key in self._replays:
            return self._replays[key]
        self._met[key] = self._met.get(key, 0) + 1
        if self._record is None or self._met[key] < RECORDED_AT:
            return operations
        try:
            replay = self._record(operations)
            if not self._replays:
                _check(replay, operations, block)
        except torch.OutOfMemoryError:
            # Other processes may leave more of it; and the operations need less.
            self._met[key] = 0
            return operations
        except Exception as reason:
            # The end of a capture that failed says only that it did, and not why.
            reasons = (one_line(r) for r in (reason, reason.__context__) if r is not None)
            _LOG.warning(_NO_GRAPHS, "; ".join(reasons))
            self._record = None
            self._replays.clear()
            return operations
        self._replays[key] = replay
        return replay


def _products() -> str:
    """The precision of products: `ieee` or `tf32`, by whichever of PyTorch's settings.

    `torch.get_float32_matmul_precision` knows of one of them, and raises where another was used.
    """
    precision = torch.backends.cuda.matmul.fp32_precision
    return "ieee" if precision == "none" else precision


def _check(replay: Replay, operations: Callable[[], None], block: BlockTensors) -> None:
    """Compares what a graph makes with what its operations make.

    Raises:
        ArithmeticError: if they differ.
    """
    operations()
    expected = block.memory.clone()
    block.memory.zero_()
    replay()
    difference = float((block.memory - expected).abs().max())
    if not difference <= _TOLERANCE:
        raise ArithmeticError(f"the first one differs by {difference:.1e}")


# Whoever begins a capture waits for the device, which makes a capture of another thread fail.
_RECORDING = threading.Lock()


def record_graph(device: torch.device) -> Record:
    """What records CUDA graphs that share one pool of memory, on a stream of their own.

    Where recording fails, the current stream and the allocator are as before.

    Args:
        device: a GPU.
    """
    stream = torch.cuda.Stream(device)
    pool = torch.cuda.graph_pool_handle()

    def record(operations: Callable[[], None]) -> Replay:
        current = torch.cuda.current_stream(device)
        # Inside, `torch.cuda.graph` leaves its stream the current one if it can't end a capture.
        with _RECORDING, torch.cuda.stream(stream):
            stream.wait_stream(current)
            # Before they are recorded, libraries load kernels and get memory.
            operations()
            current.wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads prepare batches meanwhile, and get memory for them.
                with torch.cuda.graph(
                    graph, pool=pool, stream=stream, capture_error_mode="thread_local"
                ):
                    operations()
            except Exception:
                # Where a capture can't end, the allocator takes it to go on, and frees no memory.
                with suppress(RuntimeError, AttributeError):
                    torch._C._cuda_endAllocateToPool(stream.device_index, pool)
                    torch._C._cuda_releasePool(stream.device_index, pool)
                raise
        return graph.replay

    return record


def step_blocks(layers: StepLayers, like: Tensor) -> StepBlocks | None:
    """What runs the steps of an encoder at inference; None where it runs them itself.

    The environment variable `PFN_KG_RECURRENCE` may say `plain` (the encoder itself), `fused` (no
    graphs) or `graphs` (no fused kernel); without it both are used where they work.

    Args:
        layers: of the encoder.
        like: inputs of it.
    """
    chosen = os.environ.get("PFN_KG_RECURRENCE", "auto")
    if like.device.type != "cuda" or like.dtype != torch.float32 or chosen == "plain":
        return None
    memories = None
    if chosen != "graphs":
        hidden = layers.of_cell.out_features
        memories = fused_memories(like.device, hidden, layers.chunk_size, layers.mirrored)
    record = None if chosen == "fused" else _recorder(like.device)
    return StepBlocks(layers, memories or plain_memories, record)


def _recorder(device: torch.device) -> Record | None:
    """What records graphs on a device, where it has some."""
    try:
        return record_graph(device)
    except Exception as reason:
        _LOG.warning(_NO_GRAPHS, one_line(reason))
        return None
