"""The steps of a pipeline as this process runs them.

A step gets elements one by one and hands its own on at once, so that a chain of steps holds one
element. Only what meets others, such as a group, is held (`pfn_kg.pipeline.local.held`).
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.internal.cloudpickle import cloudpickle
from apache_beam.internal.util import insert_values_in_args
from apache_beam.transforms.core import _DoFnParam
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.windowed_value import WindowedValue

from pfn_kg.pipeline.local.held import Held, Memory
from pfn_kg.schemas.errors import StepError

#: Takes an element.
Take = Callable[[Any], None]

_ONLY = None  # the key where there is but one


class Step:
    """What an applied transform does.

    Attributes:
        label: of the transform.
    """

    def __init__(self, label: str):
        self.label = label

    def begin(self, outputs: Mapping[Any, Take], sides: Sequence[Iterable[Any]]) -> None:
        """Called before the first element, with who takes what of each output, by its tag."""

    def take(self, tag: Any, element: Any) -> None:
        """Takes an element of an input, by the tag of the input."""
        raise NotImplementedError

    def finish(self) -> None:
        """Called after the last element."""

    def end(self) -> None:
        """Called once the step is not needed any more, also after an error."""


class Process(Step):
    """A DoFn, with its whole input as one bundle; without any input there is none.

    Args:
        label: of the transform.
        transform: whose DoFn it is.

    Raises:
        NotImplementedError: if the DoFn asks Beam for more than elements and side inputs.
    """

    def __init__(self, label: str, transform: beam.ParDo):
        super().__init__(label)
        signature = transform._signature
        if (
            signature.is_stateful_dofn()
            or signature.is_splittable_dofn()
            or any(isinstance(value, _DoFnParam) for value in signature.process_method.defaults)
        ):
            raise NotImplementedError(
                f"{label}: the local runner hands a DoFn elements and side inputs alone"
            )
        self._transform = transform
        self._named = _Named(label)
        self._fn: beam.DoFn | None = None

    def begin(self, outputs: Mapping[Any, Take], sides: Sequence[Iterable[Any]]) -> None:
        """Learns who takes the outputs, and where the side inputs are."""
        self._outputs = outputs
        self._give = outputs.get(None, _drop)
        self._sides = sides

    def _start(self) -> None:
        """Makes a DoFn of its own and begins its bundle."""
        transform = self._transform
        views = [
            type(view)._from_runtime_iterable(values, view._view_options())
            for view, values in zip(transform.side_inputs, self._sides, strict=True)
        ]
        # Whoever holds the same object elsewhere is as far away as on other runners.
        fn, args, kwargs = pickle.loads(
            cloudpickle.dumps((transform.fn, transform.args, transform.kwargs))
        )
        self._args, self._kwargs = insert_values_in_args(args, kwargs, views)
        self._fn = fn
        self._process = fn.process
        with self._named:
            fn.setup()
            fn.start_bundle()

    def take(self, tag: Any, element: Any) -> None:
        """Processes an element."""
        if self._fn is None:
            self._start()
        with self._named:
            self._hand_on(self._process(element, *self._args, **self._kwargs))

    def finish(self) -> None:
        """Ends the bundle."""
        if self._fn is not None:
            with self._named:
                self._hand_on(self._fn.finish_bundle())

    def end(self) -> None:
        """Tears the DoFn down."""
        fn, self._fn = self._fn, None
        if fn is not None:
            with self._named:
                fn.teardown()

    def _hand_on(self, results: Iterable[Any] | None) -> None:
        for result in results or ():
            give = self._give
            if isinstance(result, beam.pvalue.TaggedOutput):
                give, result = self._outputs.get(result.tag, _drop), result.value
            if isinstance(result, WindowedValue | TimestampedValue):
                result = result.value
            give(result)


class _Named:
    """Turns the errors of a step into `StepError`."""

    def __init__(self, label: str):
        self._label = label

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not isinstance(error, StepError):
            raise StepError(self._label, error) from error


def _drop(element: Any) -> None:
    pass


class Hand(Step):
    """Hands elements on as they are: Flatten, and Reshuffle, since all is at one place."""

    def begin(self, outputs: Mapping[Any, Take], sides: Sequence[Iterable[Any]]) -> None:
        """Learns who takes the elements."""
        self._give = outputs.get(None, _drop)

    def take(self, tag: Any, element: Any) -> None:
        """Hands an element on."""
        self._give(element)


class Source(Step):
    """A step whose output is there when all of its input was taken."""

    def elements(self) -> Iterable[Any]:
        """The output; may be asked for several times."""
        raise NotImplementedError

    def taken(self) -> Iterable[Any]:
        """The output where no one asks again, so that what was given may be forgotten."""
        return self.elements()

    def drop(self) -> None:
        """Called when no one asks for the output any more."""


class Values(Source):
    """Elements that the pipeline was made with."""

    def __init__(self, label: str, values: Iterable[Any]):
        super().__init__(label)
        self._values = values

    def elements(self) -> Iterable[Any]:
        """The elements."""
        return self._values


class Keep(Source):
    """Keeps elements for those who ask later."""

    def __init__(self, label: str, memory: Memory):
        super().__init__(label)
        self._held = Held(memory)

    def take(self, tag: Any, element: Any) -> None:
        """Keeps an element."""
        self._held.add(_ONLY, element)

    def elements(self) -> Iterable[Any]:
        """What was kept."""
        return self._held.values(_ONLY)

    def drop(self) -> None:
        """Forgets it."""
        self._held.drop()


class Group(Source):
    """The values of each key: GroupByKey."""

    def __init__(self, label: str, memory: Memory):
        super().__init__(label)
        self._held = Held(memory)

    def take(self, tag: Any, element: Any) -> None:
        """Puts a value to its key."""
        key, value = element
        self._held.add(key, value)

    def elements(self) -> Iterator[Any]:
        """Each key with its values."""
        for key in self._held.keys:
            yield key, self._held.values(key)

    def taken(self) -> Iterator[Any]:
        """The same, and forgets each key."""
        for key in self._held.keys:
            yield key, self._held.take(key)

    def drop(self) -> None:
        """Forgets all."""
        self._held.drop()


class CombineEach(Group):
    """The values of each key in one: CombinePerKey, with and without a fan-out of hot keys."""

    def __init__(self, label: str, memory: Memory, fn: beam.CombineFn):
        super().__init__(label, memory)
        self._fn = fn
        self._named = _Named(label)

    def elements(self) -> Iterator[Any]:
        """Each key with what its values come to."""
        return self._combined(super().elements())

    def taken(self) -> Iterator[Any]:
        """The same, and forgets each key."""
        return self._combined(super().taken())

    def _combined(self, groups: Iterable[Any]) -> Iterator[Any]:
        fn = copy.deepcopy(self._fn)
        fn.setup()
        try:
            for key, values in groups:
                with self._named:
                    accumulator = fn.create_accumulator()
                    for value in values:
                        accumulator = fn.add_input(accumulator, value)
                    combined = fn.extract_output(accumulator)
                yield key, combined
        finally:
            fn.teardown()


class GroupSeveral(Source):
    """The values of each key in each of several collections: CoGroupByKey."""

    def __init__(self, label: str, memory: Memory, tags: Iterable[Any]):
        super().__init__(label)
        self._held = {tag: Held(memory) for tag in tags}

    def take(self, tag: Any, element: Any) -> None:
        """Puts a value to its key and collection."""
        key, value = element
        self._held[tag].add(key, value)

    def elements(self) -> Iterator[Any]:
        """Each key with its values by collection."""
        for key in self._keys():
            yield key, {tag: held.values(key) for tag, held in self._held.items()}

    def taken(self) -> Iterator[Any]:
        """The same, and forgets each key."""
        for key in self._keys():
            yield key, {tag: held.take(key) for tag, held in self._held.items()}

    def _keys(self) -> list[Any]:
        return list(dict.fromkeys(key for held in self._held.values() for key in held.keys))

    def drop(self) -> None:
        """Forgets all."""
        for held in self._held.values():
            held.drop()


class Combine(Source):
    """All elements in one: CombineGlobally; without elements the default."""

    def __init__(self, label: str, fn: beam.CombineFn):
        super().__init__(label)
        self._fn = fn

    def begin(self, outputs: Mapping[Any, Take], sides: Sequence[Iterable[Any]]) -> None:
        """Begins with nothing."""
        self._fn = copy.deepcopy(self._fn)
        self._named = _Named(self.label)
        with self._named:
            self._fn.setup()
            self._sum = self._fn.create_accumulator()

    def take(self, tag: Any, element: Any) -> None:
        """Adds an element."""
        with self._named:
            self._sum = self._fn.add_input(self._sum, element)

    def finish(self) -> None:
        """Takes the result."""
        with self._named:
            self._out = self._fn.extract_output(self._sum)

    def end(self) -> None:
        """Tears the function down."""
        self._fn.teardown()

    def elements(self) -> Iterable[Any]:
        """The result."""
        return [self._out]
