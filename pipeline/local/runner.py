"""Beam's primitive transforms run here and now, one after the other, in this process.

Beam's own local runner turns a pipeline into messages, sends them to itself and reads them again:
seconds for a small pipeline. This one walks over the transforms as they were applied. It knows what
our pipelines consist of, without windows, state and splitting; it refuses all else, and Beam's
runners run the same pipelines.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, TypeOptions
from apache_beam.pipeline import AppliedPTransform, PipelineVisitor
from apache_beam.pvalue import PCollection
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState
from apache_beam.transforms.core import (
    CombineFn,
    Windowing,
    _CombinePerKeyWithHotKeyFanout,
)
from apache_beam.transforms.window import GlobalWindows

from pfn_kg.pipeline.local.execution import Node, execute
from pfn_kg.pipeline.local.held import Memory
from pfn_kg.pipeline.local.metrics import LocalMetrics
from pfn_kg.pipeline.local.steps import (
    Combine,
    CombineEach,
    Group,
    GroupSeveral,
    Hand,
    Process,
    Step,
    Values,
)

#: Bytes that are held between steps before some of them go to a file.
MEMORY_LIMIT = 512 * 2**20


class LocalRunner(PipelineRunner):
    """Runs a pipeline in this process.

    Args:
        memory_limit: bytes that are held between steps before some of them go to a file.
    """

    def __init__(self, memory_limit: int = MEMORY_LIMIT):
        super().__init__()
        self._memory_limit = memory_limit
        # Beam numbers the inputs of CoGroupByKey; these are the names that they had.
        self._names: dict[beam.PTransform, list[Any]] = {}

    def apply(self, transform: beam.PTransform, input: Any, options: PipelineOptions) -> Any:
        """Leaves transforms whole that are steps here; others are expanded as ever."""
        if _is_whole(transform, input):
            first = input
            if isinstance(input, dict):
                first, self._names[transform] = next(iter(input.values())), list(input)
            return PCollection(first.pipeline, is_bounded=True)
        return transform.expand(input)

    def run_pipeline(self, pipeline: beam.Pipeline, options: PipelineOptions) -> PipelineResult:
        """Runs the pipeline to its end.

        Raises:
            StepError: if a step fails.
            NotImplementedError: if a transform is none of those that this runner knows.
        """
        memory = Memory(self._memory_limit)
        leaves = _Leaves()
        pipeline.visit(leaves)
        metrics = LocalMetrics()
        with metrics.collected():
            execute([self._node(applied, memory) for applied in leaves.found], memory)
        return _Finished(metrics)

    def _node(self, applied: AppliedPTransform, memory: Memory) -> Node:
        transform, label = applied.transform, applied.full_label
        inputs: Mapping[str, Any] = applied.main_inputs
        outputs: dict[Any, Any] = applied.outputs
        for pcoll in outputs.values():
            if not isinstance(pcoll, PCollection) or pcoll.windowing != Windowing(GlobalWindows()):
                raise NotImplementedError(f"{label}: the local runner has no windows")
        step: Step
        sides: list[Any] = []
        if isinstance(transform, beam.Create):
            step, inputs = Values(label, transform.values), {}
        elif isinstance(transform, beam.Impulse):
            step, inputs = Values(label, [b""]), {}
        elif isinstance(transform, beam.ParDo):
            step, sides = Process(label, transform), [view.pvalue for view in transform.side_inputs]
        elif isinstance(transform, beam.Flatten | beam.Reshuffle):
            step = Hand(label)
        elif isinstance(transform, beam.GroupByKey):
            step = Group(label, memory)
        elif isinstance(transform, beam.CoGroupByKey):
            inputs = dict(zip(self._names[transform], inputs.values(), strict=True))
            step = GroupSeveral(label, memory, inputs)
        elif isinstance(transform, beam.CombinePerKey):
            step = CombineEach(label, memory, CombineFn.maybe_from_callable(transform.fn))
        elif isinstance(transform, _CombinePerKeyWithHotKeyFanout):
            step = CombineEach(label, memory, transform._combine_fn)
        elif isinstance(transform, beam.CombineGlobally):
            step = Combine(label, CombineFn.maybe_from_callable(transform.fn))
        else:
            raise NotImplementedError(
                f"{label}: the local runner has no {type(transform).__name__}"
            )
        return Node(step, dict(inputs), outputs, sides)


def local_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """A pipeline that `LocalRunner` runs.

    Args:
        options: of Beam.
    """
    # What does not match is found by the tests, which run the same pipelines on Beam's runners.
    options.view_as(TypeOptions).pipeline_type_check = False
    return beam.Pipeline(runner=LocalRunner(), options=_Options(options))


class _Options(PipelineOptions):
    """Options whose views are made once: Beam asks for them at each transform."""

    def __init__(self, options: PipelineOptions):
        super().__init__()
        views: dict[type[PipelineOptions], PipelineOptions] = {}
        # All attributes but these are options.
        vars(self).update(_all_options=options._all_options, _flags=options._flags, _views=views)

    def view_as(self, cls: type[PipelineOptions]) -> Any:
        views = vars(self)["_views"]
        if cls not in views:
            views[cls] = super().view_as(cls)
        return views[cls]


class _Finished(PipelineResult):
    def __init__(self, metrics: LocalMetrics):
        super().__init__(PipelineState.DONE)
        self._metrics = metrics

    def metrics(self) -> LocalMetrics:
        return self._metrics

    def wait_until_finish(self, duration: int | None = None) -> str:
        return self.state


class _Leaves(PipelineVisitor):
    """Finds the applied transforms that have no parts, each after those that it needs."""

    def __init__(self) -> None:
        self.found: list[AppliedPTransform] = []

    def visit_transform(self, applied: AppliedPTransform) -> None:
        self.found.append(applied)


def _is_whole(transform: beam.PTransform, input: Any) -> bool:
    """Whether a transform that Beam would take to pieces is one step here."""
    if isinstance(transform, beam.CombineGlobally):
        return (
            transform.has_defaults
            and not transform.as_view
            and not transform.fanout
            and not transform.args
            and not transform.kwargs
        )
    if isinstance(transform, beam.CombinePerKey):
        return not transform.args and not transform.kwargs
    if isinstance(transform, beam.CoGroupByKey):
        return isinstance(input, dict) and bool(input)
    return isinstance(
        transform,
        beam.Create | beam.Reshuffle | beam.GroupByKey | _CombinePerKeyWithHotKeyFanout,
    )
