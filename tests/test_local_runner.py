"""Pipelines in this process, without Beam's portable machinery: the same elements, less memory."""

from collections import defaultdict

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec
from apache_beam.transforms.window import FixedWindows
from hypothesis import given, settings
from hypothesis import strategies as st

from pfn_kg.pipeline.local.held import Held, Memory
from pfn_kg.pipeline.local.runner import LocalRunner
from pfn_kg.schemas.errors import StepError
from pfn_kg.transforms.plumbing.held_rows import at_end_of_bundle

pytestmark = pytest.mark.quick

# Where the elements of a pipeline that ran in this process go.
COLLECTED = defaultdict(list)


@pytest.fixture(autouse=True)
def _nothing_collected():
    COLLECTED.clear()


def collect(element, name):
    COLLECTED[name].append(element)


def collected(runner, construct):
    """What the named collections of a pipeline hold, sorted."""
    COLLECTED.clear()
    with beam.Pipeline(runner=runner) as pipeline:
        for name, collection in construct(pipeline).items():
            _ = collection | f"Collect {name}" >> beam.Map(collect, name)
    return {name: sorted(elements, key=repr) for name, elements in COLLECTED.items()}


class SplitByParity(beam.DoFn):
    """Even numbers on the main output, odd ones on another, how many at the end of the bundle."""

    def start_bundle(self):
        self.seen = 0

    def process(self, number, add, names):
        self.seen += 1
        yield number + add if number % 2 == 0 else beam.pvalue.TaggedOutput("odd", names[number])

    def finish_bundle(self):
        yield from at_end_of_bundle([beam.pvalue.TaggedOutput("seen", self.seen)])


def all_kinds(pipeline, numbers):
    """A pipeline with each kind of transform and of side input that this project uses."""
    of_numbers = pipeline | "Numbers" >> beam.Create(numbers)
    total = of_numbers | beam.CombineGlobally(sum)
    names = of_numbers | beam.Map(lambda n: (n, f"number {n}"))
    split = of_numbers | beam.ParDo(
        SplitByParity(), beam.pvalue.AsSingleton(total), beam.pvalue.AsMultiMap(names)
    ).with_outputs("odd", "seen", main="even")
    seen = split["seen"] | "SumSeen" >> beam.CombineGlobally(sum)
    by_digit = of_numbers | "Digit" >> beam.Map(lambda n: (n % 10, n))
    groups = by_digit | beam.GroupByKey() | beam.MapTuple(lambda k, v: (k, sorted(v)))
    least = by_digit | beam.CombinePerKey(min)
    sums = by_digit | "Sums" >> beam.CombinePerKey(sum).with_hot_key_fanout(4)
    joined = (
        {"all": by_digit, "least": least}
        | beam.CoGroupByKey()
        | "Join" >> beam.MapTuple(lambda k, v: (k, sorted(v["all"]), list(v["least"])))
    )
    # It needs side inputs of several rounds, and its input is older than they.
    late = of_numbers | beam.FlatMap(
        lambda n, of, more: [of[n % 10] + n + len(list(more)) + len(list(more))],
        beam.pvalue.AsDict(least),
        beam.pvalue.AsIter(joined),
    )
    return {
        "total": total,
        "even": split["even"],
        "odd": split["odd"] | beam.FlatMap(list),
        "seen": seen,
        "groups": groups | beam.Reshuffle(),
        "joined": joined,
        "sums": sums,
        "late": late,
        "all": (late, total, split["even"]) | beam.Flatten() | beam.Distinct(),
        "filtered": of_numbers | beam.Filter(lambda n, t: n > t, beam.pvalue.AsSingleton(total)),
    }


def expected_of(numbers):
    total = sum(numbers)
    groups = defaultdict(list)
    for n in sorted(numbers):
        groups[n % 10].append(n)
    even = [n + total for n in numbers if n % 2 == 0]
    late = [groups[n % 10][0] + n + 2 * len(groups) for n in numbers]
    found = {
        "total": [total],
        "even": even,
        "odd": [f"number {n}" for n in numbers if n % 2 for _ in range(numbers.count(n))],
        "seen": [len(numbers)],
        "groups": list(groups.items()),
        "joined": [(k, v, [v[0]]) for k, v in groups.items()],
        "sums": [(k, sum(v)) for k, v in groups.items()],
        "late": late,
        "all": list({*late, total, *even}),
        "filtered": [n for n in numbers if n > total],
    }
    return {name: sorted(elements, key=repr) for name, elements in found.items() if elements}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-50, 50), max_size=30), st.sampled_from([0, 500, 1 << 30]))
def test_each_kind_of_transform(numbers, memory_limit):
    found = collected(LocalRunner(memory_limit), lambda p: all_kinds(p, numbers))
    assert found == expected_of(numbers)


def test_beam_s_runner_finds_the_same():
    numbers = [*range(-7, 40), 3, 3]
    found = collected(FnApiRunner(), lambda p: all_kinds(p, numbers))
    assert found == expected_of(numbers)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=400)), max_size=60),
    st.integers(0, 2000),
)
def test_what_is_held_is_bounded_and_comes_back(items, limit):
    memory = Memory(limit)
    held, other = Held(memory), Held(memory)
    expected = defaultdict(list)
    for number, (key, value) in enumerate(items):
        (other if number % 3 == 0 else held).add(key, value)
        expected[number % 3 == 0, key].append(value)
        assert held.size + other.size <= max(limit, 0)
    for one, is_other in ((held, False), (other, True)):
        keys = [key for of_other, key in expected if of_other == is_other]
        assert one.keys == keys
        for key in keys:
            values = one.values(key)
            assert list(values) == expected[is_other, key] == list(values)
        for key in keys:
            assert list(one.take(key)) == expected[is_other, key]
        assert one.size == 0


class Lifecycle(beam.DoFn):
    """Says what is called; fails at an element."""

    def setup(self):
        collect("setup", "calls")

    def start_bundle(self):
        collect("start", "calls")

    def process(self, element):
        collect(element, "calls")
        if element == "bad":
            raise ValueError("a bad element")
        yield element

    def finish_bundle(self):
        collect("finish", "calls")

    def teardown(self):
        collect("teardown", "calls")


def test_the_life_of_a_dofn():
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        _ = pipeline | beam.Create(["a", "b"]) | beam.ParDo(Lifecycle())
    assert COLLECTED["calls"] == ["setup", "start", "a", "b", "finish", "teardown"]


def test_without_elements_nothing_is_set_up():
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        _ = pipeline | beam.Create([]) | beam.ParDo(Lifecycle())
    assert COLLECTED["calls"] == []


def test_an_error_names_the_step_and_tears_down():
    with (
        pytest.raises(StepError, match=r"a bad element.*Fail") as raised,
        beam.Pipeline(runner=LocalRunner()) as pipeline,
    ):
        _ = pipeline | beam.Create(["a", "bad"]) | "Fail" >> beam.ParDo(Lifecycle())
    assert isinstance(raised.value.__cause__, ValueError)
    assert COLLECTED["calls"] == ["setup", "start", "a", "bad", "teardown"]


def interrupt(element):
    raise KeyboardInterrupt


def test_an_interruption_stays_one():
    with pytest.raises(KeyboardInterrupt), beam.Pipeline(runner=LocalRunner()) as pipeline:
        _ = pipeline | beam.Create([1]) | beam.Map(interrupt)


class Remembers(beam.DoFn):
    last = None

    def process(self, element):
        collect(self.last, "before")
        self.last = element
        yield element


def test_each_step_has_a_dofn_of_its_own():
    fn = Remembers()
    with beam.Pipeline(runner=LocalRunner()) as pipeline:
        _ = pipeline | beam.Create(["a"]) | beam.ParDo(fn) | "Again" >> beam.ParDo(fn)
    assert fn.last is None
    assert COLLECTED["before"] == [None, None]


class Stateful(beam.DoFn):
    LAST = beam.DoFn.StateParam(ReadModifyWriteStateSpec("last", VarIntCoder()))

    def process(self, element, state=LAST):
        yield element


class Timed(beam.DoFn):
    def process(self, element, timestamp=beam.DoFn.TimestampParam):
        yield timestamp


@pytest.mark.parametrize(
    "transform", [beam.ParDo(Stateful()), beam.ParDo(Timed()), beam.WindowInto(FixedWindows(1))]
)
def test_what_it_does_not_know_is_refused(transform):
    with (
        pytest.raises(NotImplementedError, match="the local runner"),
        beam.Pipeline(runner=LocalRunner()) as pipeline,
    ):
        _ = pipeline | beam.Create([(1, 1)]) | transform | beam.GroupByKey()
