"""The recurrence in blocks of steps, as a GPU runs it: the features of the plain recurrence."""

import copy
import logging
import os
import pickle
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from pfn_kg.pfn.model import step_blocks, step_memories
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder, Steps
from pfn_kg.pfn.model.step_blocks import RECORDED_AT, StepBlocks
from pfn_kg.pfn.model.step_memories import fused_memories, plain_memories

pytestmark = pytest.mark.quick

INPUT, HIDDEN = 3, 6
CPU = torch.device("cpu")
# Hidden size, chunk size and gates of a kernel's trial.
SHAPE = (300, 150, True)


def encoder_of(seed=0, chunk_size=None, entity_gate="cummax", reverse=False):
    torch.manual_seed(seed)
    options = {"chunk_size": chunk_size, "entity_gate": entity_gate, "reverse": reverse}
    return PartitionFilterEncoder(INPUT, HIDDEN, 0.1, **options).double().eval()


class Recorded:
    """In the place of CUDA graphs: counts what is recorded and what is replayed."""

    def __init__(self, spoils=False):
        self.recorded, self.replayed, self.spoils = 0, 0, spoils

    def __call__(self, operations):
        self.recorded += 1

        def replay():
            self.replayed += 1
            if not self.spoils:
                operations()

        return replay


@examples(40)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=9),
    st.sampled_from([None, 2, 3]),
    st.sampled_from(["cummax", "mirrored"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(1,), (2, 4), (3, 5, 16)]),
    st.integers(1, 40),
)
def test_features_of_the_plain_recurrence(
    lengths, chunk_size, entity_gate, reverse, is_recorded, graph_rows, block_rows
):
    encoder = encoder_of(1, chunk_size, entity_gate, reverse)
    length = max(*lengths, 1)
    mask = torch.arange(length) < torch.tensor(lengths)[:, None]
    recorded = Recorded()
    blocks = StepBlocks(
        encoder.layers(),
        plain_memories,
        recorded if is_recorded else None,
        graph_rows=graph_rows,
        block_rows=block_rows,
    )
    for number in range(2):
        x = torch.randn(len(lengths), length, INPUT, dtype=torch.double)
        with torch.inference_mode(number == 1), torch.no_grad():
            encoder._blocks = None
            features, states = encoder.encode(x, mask)
            encoder._blocks = blocks
            found, found_states = encoder.encode(x, mask)
        for ours, theirs in zip((*found, found_states), (*features, states), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)
    assert blocks.graphs == recorded.recorded <= len(graph_rows)


def read_often(encoder, rows=5, times=RECORDED_AT + 2, record=None, **options):
    """Features of a batch that comes up so often, and what they should be."""
    x = torch.randn(rows, 4, INPUT, dtype=torch.double)
    with torch.no_grad():
        encoder._blocks = None
        expected = encoder(x).shared
        encoder._blocks = StepBlocks(encoder.layers(), plain_memories, record, **options)
        return [encoder(x).shared for _ in range(times)], expected


def test_what_is_rare_is_not_recorded():
    recorded = Recorded()
    found, expected = read_often(encoder_of(), times=RECORDED_AT - 1, record=recorded)
    assert not recorded.recorded
    # From now on it is; the first graph is tried beside its operations.
    found, expected = read_often(encoder_of(), times=RECORDED_AT + 2, record=recorded)
    assert (recorded.recorded, recorded.replayed) == (1, 4)
    for features in found:
        torch.testing.assert_close(features, expected, atol=1e-12, rtol=0)


def test_many_rows_need_no_graph():
    recorded = Recorded()
    found, expected = read_often(encoder_of(), rows=9, record=recorded, graph_rows=(2, 8))
    assert not recorded.recorded
    torch.testing.assert_close(found[-1], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("how", ["raises", "is wrong"])
def test_without_graphs_it_goes_on_and_says_why(caplog, how):
    def refuse(operations):
        raise RuntimeError("no\n graphs here")

    record = refuse if how == "raises" else Recorded(spoils=True)
    found, expected = read_often(encoder_of(), record=record, times=RECORDED_AT + 3)
    for features in found:
        torch.testing.assert_close(features, expected, atol=1e-12, rtol=0)
    (line,) = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    why = "no graphs here" if how == "raises" else "the first one differs by"
    assert line.startswith(f"CUDA graphs are not used for the recurrence: {why}")


@pytest.mark.parametrize("setting", ["function", "of products", "of all"])
def test_graphs_are_of_the_precision_that_is_set(setting):
    """By each of PyTorch's settings; the function that reads one may raise after another."""
    own, everything = torch.backends.cuda.matmul, torch.backends
    before = torch.get_float32_matmul_precision(), own.fp32_precision, everything.fp32_precision
    changes = {
        "function": lambda: torch.set_float32_matmul_precision("high"),
        "of products": lambda: setattr(own, "fp32_precision", "tf32"),
        "of all": lambda: setattr(everything, "fp32_precision", "tf32"),
    }
    recorded, encoder = Recorded(), encoder_of()
    blocks = StepBlocks(encoder.layers(), plain_memories, recorded)
    encoder._blocks = blocks
    x = torch.randn(5, 4, INPUT, dtype=torch.double)

    def graphs():
        with torch.no_grad():
            for _ in range(RECORDED_AT + 1):
                encoder(x)
        return blocks.graphs

    try:
        own.fp32_precision = "none"
        assert graphs() == 1
        own.fp32_precision = "ieee"
        assert graphs() == 1
        own.fp32_precision = "none"
        changes[setting]()
        assert graphs() == 2
    finally:
        everything.fp32_precision = before[2]
        torch.set_float32_matmul_precision(before[0])
        own.fp32_precision = before[1]


def test_memory_that_is_short_is_no_reason_to_give_up(caplog):
    recorded, tries = Recorded(), []

    def short_at_first(operations):
        tries.append(None)
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return recorded(operations)

    found, expected = read_often(encoder_of(), record=short_at_first, times=2 * RECORDED_AT + 2)
    assert (len(tries), recorded.recorded) == (2, 1)
    assert recorded.replayed >= 3
    assert not caplog.records
    for features in found:
        torch.testing.assert_close(features, expected, atol=1e-12, rtol=0)


class Streams:
    """In the place of CUDA's streams, graphs and allocator: who is current, and what is open."""

    def __init__(self, monkeypatch, how):
        self.current, self.events, streams = "default", [], self
        self.is_allocating = False

        class Stream:
            device_index = 0

            def wait_stream(self, other):
                pass

        class Context:
            def __init__(self, stream):
                self.stream = stream

            def __enter__(self):
                self.before, streams.current = streams.current, self.stream

            def __exit__(self, *_):
                streams.current = self.before

        class Graph:
            def capture_begin(self, *_, **__):
                streams.is_allocating = True

            def capture_end(self):
                if how != "fits":
                    raise RuntimeError("a capture that failed before")
                streams.is_allocating = False

            def replay(self):
                pass

        def end(device, pool):
            if not self.is_allocating:
                raise RuntimeError("not recording")
            self.is_allocating = False

        stand_ins = {
            "Stream": lambda device: Stream(),
            "stream": Context,
            "CUDAGraph": Graph,
            "graph_pool_handle": lambda: (0, 1),
            "current_stream": lambda device=None: Stream(),
            "synchronize": lambda: None,
        }
        for name, stand_in in stand_ins.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)
        monkeypatch.setattr(torch._C, "_host_emptyCache", lambda: None, raising=False)
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", end, raising=False)
        monkeypatch.setattr(torch._C, "_cuda_releasePool", lambda *_: None, raising=False)


@pytest.mark.parametrize("how", ["fits", "is refused", "does not end"])
def test_a_failed_capture_leaves_nothing_behind(monkeypatch, how):
    """By PyTorch's own `torch.cuda.graph`, which does not put the stream back if it can't end."""
    streams, calls = Streams(monkeypatch, how), []

    def operations():
        calls.append(streams.current)
        if len(calls) == 2 and how == "is refused":
            raise ValueError("refused in a capture")

    record = step_blocks.record_graph(CPU)
    if how == "fits":
        assert callable(record(operations))
    else:
        with pytest.raises(RuntimeError, match="a capture that failed before") as raised:
            record(operations)
        # The log says both.
        assert isinstance(raised.value.__context__, ValueError) == (how == "is refused")
    assert len(calls) == 2
    assert "default" not in calls
    assert streams.current == "default"
    assert not streams.is_allocating
    assert not step_blocks._RECORDING.locked()


def test_new_weights_are_read():
    encoder = encoder_of()
    x = torch.randn(2, 3, INPUT, dtype=torch.double)
    with torch.no_grad():
        encoder._blocks = blocks = StepBlocks(encoder.layers(), plain_memories, None)
        before = encoder(x).entity
        encoder.cell_transform.weight.add_(1)
        assert (encoder(x).entity - before).abs().max() > 0.01
        assert encoder._blocks is blocks
        # Weights elsewhere: what was recorded reads the old ones.
        encoder.cell_transform.weight = torch.nn.Parameter(encoder.cell_transform.weight * 2)
        changed = encoder(x).entity
        assert encoder._blocks is None
        torch.testing.assert_close(
            encoder.float()(x.float()).entity.double(), changed, atol=1e-5, rtol=0
        )


def test_training_and_gradients_take_the_plain_recurrence():
    encoder = encoder_of()
    encoder._blocks = StepBlocks(encoder.layers(), lambda *a, **k: pytest.fail("used"), None)
    x = torch.randn(2, 3, INPUT, dtype=torch.double, requires_grad=True)
    encoder(x).entity.sum().backward()
    assert x.grad is not None
    with torch.no_grad():
        encoder.train()(x)


def test_copies_leave_graphs_behind():
    encoder = encoder_of()
    encoder._blocks = StepBlocks(encoder.layers(), plain_memories, lambda operations: operations)
    for other in (copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert other._blocks is None
        assert torch.equal(other.cell_transform.weight, encoder.cell_transform.weight)


def test_a_cpu_has_no_blocks(monkeypatch):
    encoder = encoder_of().float()
    with torch.no_grad():
        encoder(torch.randn(2, 3, INPUT))
    assert encoder._blocks is None
    # Where a GPU is asked to do as before, too.
    like = torch.empty(0, device="meta")
    assert step_blocks.step_blocks(encoder.layers(), like) is None


@given(st.lists(st.integers(0, 6), min_size=1, max_size=7), st.booleans())
def test_steps(lengths, is_known):
    mask = torch.arange(7) < torch.tensor(lengths)[:, None]
    steps = Steps.of(mask, mask.sum(1).numpy() if is_known else None)
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    assert steps.order.tolist() == order
    assert steps.sizes == [sum(length > step for length in lengths) for step in range(7)]
    rows = [(s, step) for step in range(7) for s in order if lengths[s] > step]
    assert list(zip(*(r.tolist() for r in steps.rows()), strict=True)) == rows


def test_without_triton_it_goes_on_and_says_why(caplog, monkeypatch):
    fused_memories.cache_clear()
    # As if there were none.
    monkeypatch.setitem(sys.modules, "pfn_kg.pfn.model.memories_kernel", None)
    assert fused_memories(CPU, *SHAPE) is None
    assert fused_memories(CPU, *SHAPE) is None
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("the fused kernel of the recurrence is not used: ")
    fused_memories.cache_clear()


@pytest.mark.parametrize("wrong", [1e-3, float("nan")])
def test_a_wrong_kernel_is_not_used(caplog, monkeypatch, wrong):
    """A kernel is wrong if it is at the width of the encoder, whatever it does at others."""
    fused_memories.cache_clear()

    def spoilt(gates, cell, memory, **options):
        plain_memories(gates, cell, memory, **options)
        if cell.shape[1] == SHAPE[0]:
            memory[2, 3] += wrong

    module = type(sys)("kernel")
    module.fused_memories = spoilt
    monkeypatch.setitem(sys.modules, "pfn_kg.pfn.model.memories_kernel", module)
    assert fused_memories(CPU, 12, 6, False) is spoilt
    assert fused_memories(CPU, *SHAPE) is None
    (line,) = [record.message for record in caplog.records]
    assert "it differs by" in line
    fused_memories.cache_clear()


# Triton runs on the CPU only if it is told so before it is imported.
KERNEL = """
import torch
from hypothesis import given, settings, strategies as st
from pfn_kg.pfn.model.memories_kernel import fused_memories
from pfn_kg.pfn.model.partition_filter import PartitionFilterEncoder
from pfn_kg.pfn.model.step_blocks import StepBlocks
from pfn_kg.pfn.model.step_memories import fused_memories as tried, plain_memories

for shape in ((300, 300, False), (12, 6, True)):
    assert tried(torch.device("cpu"), *shape) is fused_memories
count = 0

@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 70), st.integers(1, 3), st.booleans(),
    st.sampled_from([0.1, 3.0, 40.0, 300.0]), st.integers(0, 1 << 30),
)
def check(rows, chunk_size, chunks, mirrored, scale, seed):
    global count
    generator = torch.manual_seed(seed)
    hidden = chunk_size * chunks
    gates = torch.randn(rows, hidden + 4 * chunk_size, generator=generator) * scale
    cell = torch.randn(rows, hidden, generator=generator) * 3
    found, expected = torch.full((2, rows, 3 * hidden), float("nan"))
    for memories, memory in ((fused_memories, found), (plain_memories, expected)):
        memories(gates, cell, memory, chunk_size=chunk_size, mirrored=mirrored)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    count += 1

check()
for reverse in (False, True):
    torch.manual_seed(0)
    encoder = PartitionFilterEncoder(4, 20, chunk_size=10, reverse=reverse).eval()
    x, mask = torch.randn(2, 3, 4), torch.tensor([[1, 1, 1], [1, 0, 0]]).bool()
    with torch.no_grad():
        expected = encoder(x, mask)
        encoder._blocks = StepBlocks(encoder.layers(), fused_memories, lambda run: run)
        for ours, theirs in zip(encoder(x, mask), expected):
            torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0)
print(count)
"""
# Without a GPU a kernel can be compiled for one.
COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from pfn_kg.pfn.model.memories_kernel import _memories

for capability in (80, 90):
    source = ASTSource(
        fn=_memories,
        signature={"gates": "*fp32", "cells": "*fp32", "memories": "*fp32"}
        | dict.fromkeys(("hidden", "chunk", "lanes", "mirrored"), "constexpr"),
        constexprs={"hidden": 300, "chunk": 300, "lanes": 512, "mirrored": False},
    )
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32))
    assert compiled.asm["cubin"]
"""


@pytest.mark.parametrize("program", [KERNEL, COMPILED], ids=["numbers", "compiles"])
def test_the_kernel(program, tmp_path):
    """In Triton's interpreter, and by its compiler; Triton comes with PyTorch for GPUs."""
    pytest.importorskip("triton", reason="needs Triton, 286 MB that PyTorch for CPUs lacks")
    environment = {**os.environ, "TRITON_CACHE_DIR": str(tmp_path)}
    if program is KERNEL:
        environment["TRITON_INTERPRET"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert program is COMPILED or int(done.stdout) >= 12


def test_memories_are_written_where_they_belong():
    """The protocol's plain version against the recurrence's own, of one step."""
    encoder = encoder_of(3, chunk_size=3)
    with torch.no_grad():
        x = torch.randn(4, 1, INPUT, dtype=torch.double)
        expected = torch.cat(tuple(encoder(x)), -1)[:, 0]
        gates = encoder.input_transform(x[:, 0]) + encoder.hidden_transform.bias
        memory = torch.empty(4, 3 * HIDDEN, dtype=torch.double)
        cell = torch.zeros(4, HIDDEN, dtype=torch.double)
        step_memories.plain_memories(gates, cell, memory, chunk_size=3, mirrored=False)
    torch.testing.assert_close(memory.tanh(), expected, atol=1e-12, rtol=0)
