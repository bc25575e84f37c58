"""Files of corrections: what they may hold, what is wrong in them, and writing them safely."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn_kg.pipeline.correction_files import (
    append,
    parse_corrections,
    read_corrections,
    withdraw,
)
from pfn_kg.schemas.corrections import (
    AddFact,
    ChangeFact,
    ConfirmFact,
    KeepApart,
    MentionPlace,
    MergeEntity,
    RejectFact,
    RenameEntity,
    RetypeEntity,
    SplitEntity,
    correction_table,
)
from pfn_kg.schemas.errors import ConfigurationError

pytestmark = pytest.mark.quick

FACT = {
    "subject": "Ada Lovelace",
    "subject_type": "PER",
    "relation": "place of birth",
    "object": "London",
    "object_type": "LOC",
}
ADA = {"name": "Ada", "type": "PER"}
PLACE = {
    "document_id": "d1",
    "subject_begin": 0,
    "subject_end": 12,
    "object_begin": 25,
    "object_end": 31,
}
SIGNED = {
    "author": "Grace",
    "time": datetime(2026, 3, 1, 12, 30, tzinfo=UTC),
    "note": "see page 3; «sic»,\nreally",
}
ALL = [
    RejectFact(**FACT, **PLACE, **SIGNED),
    ConfirmFact(**FACT, document_id="d1"),
    AddFact(**FACT),
    ChangeFact(**FACT, new_relation="residence", reverse=True),
    MergeEntity(**ADA, other_name="Ada Lovelace", other_type="PER"),
    KeepApart(**ADA, other_name="Ada Byron", other_type="PER"),
    RetypeEntity(**ADA, new_type="MISC"),
    RenameEntity(**ADA, new_name="Augusta Ada King"),
    SplitEntity(
        **ADA,
        mentions=(
            MentionPlace(document_id="d,2", begin=3, end=6),
            MentionPlace(document_id='d"3'),
        ),
        new_name="Ada (Oklahoma)",
        new_type="LOC",
    ),
]


@pytest.mark.parametrize("name", ["c.jsonl", "c.csv", "c.parquet", "c"])
def test_what_is_appended_is_read(tmp_path, name):
    path = str(tmp_path / name)
    for correction in ALL:
        append(path, correction)
    assert read_corrections(path) == ALL
    assert not list(tmp_path.glob(".*"))
    assert withdraw(path, ALL[3].correction_id) == 1
    assert read_corrections(path) == [*ALL[:3], *ALL[4:]]
    assert withdraw(path, ALL[3].correction_id) == 0


def test_formats_are_told_by_content(tmp_path):
    path = tmp_path / "corrections.csv"
    pq.write_table(correction_table(ALL), path)
    append(str(path), ALL[0])
    assert path.read_bytes()[:4] == b"PAR1"
    assert read_corrections(str(path)) == [*ALL, ALL[0]]


def test_lines_that_people_wrote_stay_as_they_are(tmp_path):
    path = tmp_path / "c.jsonl"
    written = json.dumps(
        {"note": None, "kind": "add", **FACT}, indent=None, separators=(" ,", ": ")
    )
    path.write_text(f"\ufeff\n{written}", encoding="utf-8")
    append(str(path), ALL[4])
    assert path.read_text(encoding="utf-8").startswith(f"\ufeff\n{written}\n{{")
    assert read_corrections(str(path)) == [ALL[2], ALL[4]]


def test_an_empty_file_has_none(tmp_path):
    for name in ("c.csv", "c.parquet", "c.jsonl"):
        (tmp_path / name).write_bytes(b"")
        assert read_corrections(str(tmp_path / name)) == []


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
NAME = TEXT.filter(lambda text: text.strip() and any(not c.isspace() for c in text))


@given(NAME, NAME, TEXT, st.datetimes(timezones=st.just(UTC)))
def test_every_text_comes_back_in_every_format(tmp_path_factory, name, other, note, time):
    correction = MergeEntity(
        name=name, type="PER", other_name=other, other_type="PER", note=note, time=time
    )
    folder = tmp_path_factory.mktemp("texts")
    for suffix in ("jsonl", "parquet"):
        append(str(folder / f"c.{suffix}"), correction)
        (back,) = read_corrections(str(folder / f"c.{suffix}"))
        assert back == correction
        assert back.correction_id == correction.correction_id


LINE = {"kind": "add", **FACT}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff{}", "not UTF-8 (byte 0)"),
        (b"{\n", "row 1: no JSON"),
        (b'{"kind": "add"}\n[1]', "column 'subject', row 1: is empty, which a correction of"),
        (json.dumps({**LINE, "kind": "ad"}), "column 'kind', row 1: 'ad' is not one of reject,"),
        (json.dumps(FACT), "column 'kind', row 1: is empty"),
        (json.dumps(LINE) + "\n\n7", "row 3: no JSON object"),
        (json.dumps({**LINE, "nots": "x"}), "column 'nots', row 1: no such column"),
        (
            json.dumps({**LINE, "new_name": "x"}),
            "column 'new_name', row 1: a correction of the kind 'add' has none",
        ),
        (json.dumps({**LINE, "subject": " "}), "column 'subject', row 1: ' ': string should"),
        (json.dumps({**LINE, "subject": "\ud800"}), "column 'subject', row 1:"),
        (json.dumps({**LINE, "subject_begin": 3}), "row 1: subject_begin, subject_end,"),
        (json.dumps({**LINE, **PLACE, "document_id": None}), "row 1: offsets are of a document"),
        (json.dumps({**LINE, **PLACE, "object_end": 25}), "row 1: an end is not behind its begin"),
        (json.dumps({**LINE, "kind": "change"}), "row 1: new_relation or reverse is missing"),
        (json.dumps({**LINE, "time": "soon"}), "column 'time', row 1: 'soon':"),
        ("kind,subject\nadd", "row 1: 1 cells in place of 2"),
        ("kind,subjekt\n", "column 'subjekt': not one of kind, subject"),
        ("kind,note,note\n", "column 'note': is there twice"),
        ("name,type\n", "has no column 'kind'"),
        ('kind,note\nadd,"x', "row 1: unexpected end of data"),
        (
            "kind,name,type,new_name,mentions\nsplit,a,b,c,d1",
            "column 'mentions', row 1: 'd1' is no JSON list of places",
        ),
        (b"PAR1 and no more", "Parquet"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, content, reason):
    path = tmp_path / "c"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError) as error:
        read_corrections(str(path))
    assert str(path) in error.value.reason
    assert reason in error.value.reason
    assert "\n" not in error.value.reason
    assert error.value.field == "corrections"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_corrections(str(tmp_path / "nowhere"))


def test_a_damaged_file_is_not_appended_to(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text("{")
    with pytest.raises(ConfigurationError):
        append(str(path), ALL[0])
    assert path.read_text() == "{"


def test_columns_of_other_types_are_read(tmp_path):
    rows = pa.table(
        {
            "kind": pa.array(["add"]).dictionary_encode(),
            **{name: [value] for name, value in FACT.items()},
            "note": pa.nulls(1),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    assert parse_corrections(sink.getvalue().to_pybytes(), "c") == [ALL[2]]


_WRITER = """
import sys
from pfn_kg.pipeline.correction_files import append
from pfn_kg.schemas.corrections import RenameEntity
for number in range(10):
    append(sys.argv[1], RenameEntity(name=f"{sys.argv[2]}-{number}", type="PER", new_name="x"))
"""


def test_two_writers_lose_nothing(tmp_path):
    path = str(tmp_path / "c.jsonl")
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, path, name]) for name in "ab"]
    assert [writer.wait(timeout=240) for writer in writers] == [0, 0]
    names = [c.name for c in read_corrections(path)]
    assert sorted(names) == sorted(f"{w}-{n}" for w in "ab" for n in range(10))
    for writer in "ab":
        assert [n for n in names if n[0] == writer] == [f"{writer}-{i}" for i in range(10)]
