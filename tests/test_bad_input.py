"""Bad input ends in one clear line, or in a rejected row that names file and row."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.corpora import TEXTS, corpus_table, extract, extracted, rejections, write_corpus
from helpers.output_folders import files, listed_chunks, read_manifest


@pytest.fixture
def refused(tmp_path, tiny_model, capsys):
    """Runs `extract`, which must refuse at once; gives what it says."""

    def run(corpus, *options, output=tmp_path / "out", model=tiny_model) -> str:
        assert extract(corpus, output, model, *options) == 2
        message = capsys.readouterr().err.rstrip("\n")
        assert message.startswith("pfn-kg: ")
        assert "\n" not in message
        return message

    return run


def damage(path, row_group, column):
    """Overwrites the data of a column in one row group."""
    names = pq.read_schema(path).names
    chunk = pq.read_metadata(path).row_group(row_group).column(names.index(column))
    begin = chunk.dictionary_page_offset or chunk.data_page_offset
    with open(path, "r+b") as file:
        file.seek(begin)
        file.write(b"\xff" * chunk.total_compressed_size)


def strings(*values: bytes) -> pa.Array:
    """An array that claims to be text, whatever the bytes."""
    return pa.array(values, pa.binary()).view(pa.string())


@pytest.mark.parametrize(
    ("missing", "option"),
    [("text", "--text-column"), ("id", "--id-column")],
)
def test_missing_default_column(tmp_path, refused, missing, option):
    write_corpus(tmp_path / "in" / "a.parquet")
    lacking = tmp_path / "in" / "b.parquet"
    pq.write_table(corpus_table().drop_columns([missing]), lacking)
    message = refused(tmp_path / "in")
    assert option in message
    assert repr(missing) in message
    assert str(lacking) in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--text-column", "--title-column", "--metadata-columns"])
def test_missing_named_column(tmp_path, refused, option):
    path = write_corpus(tmp_path / "a.parquet")
    message = refused(path, option, "absent")
    assert option in message
    assert "'absent'" in message
    assert str(path) in message
    assert "id, title, text" in message


def test_absent_title_is_no_error_unless_named(tmp_path, tiny_model, refused):
    path = tmp_path / "a.parquet"
    pq.write_table(corpus_table(TEXTS[:1]).drop_columns(["title"]), path)
    assert "'title'" in refused(path, "--title-column", "title")
    assert extract(path, tmp_path / "done", tiny_model) == 0
    assert extracted(tmp_path / "done")[0]["title"] is None


@pytest.mark.parametrize(
    "values",
    [[1, 2], [1.5, 2.5], [["a"], ["b"]]],
    ids=["int", "float", "list"],
)
def test_text_column_of_another_type(tmp_path, refused, values):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:2], body=pa.array(values))
    message = refused(path, "--text-column", "body")
    assert "--text-column" in message
    assert "'body'" in message
    assert str(path) in message
    assert "not text" in message


def test_id_column_of_another_type(tmp_path, refused):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:2], number=pa.array([True, False]))
    assert "bool, not text, whole numbers or dates" in refused(path, "--id-column", "number")


def test_column_named_twice(tmp_path, refused):
    once = corpus_table()
    twice = pa.table([once["id"], once["text"], once["text"]], names=["id", "text", "text"])
    pq.write_table(twice, tmp_path / "a.parquet")
    assert "2 columns named 'text'" in refused(tmp_path / "a.parquet")


def test_unreadable_file_among_good_ones(tmp_path, tiny_model):
    write_corpus(tmp_path / "in" / "a.parquet", TEXTS[:2])
    (tmp_path / "in" / "b.parquet").write_bytes(b"no Parquet at all")
    (tmp_path / "in" / "c.parquet").write_bytes(b"")
    whole = write_corpus(tmp_path / "in" / "d.parquet", TEXTS[:2]).read_bytes()
    (tmp_path / "in" / "e.parquet").write_bytes(whole[: len(whole) // 2])
    assert extract(tmp_path / "in", tmp_path / "out", tiny_model) == 0
    found = rejections(tmp_path / "out")
    assert [(name, row) for name, row, _ in found] == [
        ("b.parquet", -1),
        ("c.parquet", -1),
        ("e.parquet", -1),
    ]
    assert all("not a readable Parquet file" in reason for *_, reason in found)
    done = [row["document_id"] for row in extracted(tmp_path / "out") if row["text"]]
    assert done == ["a0", "a1", "d0", "d1"]
    counts = read_manifest(tmp_path / "out")["extract"]["counts"]
    assert counts["documents"] == 4
    assert counts["rejected"] == 3


def test_only_unreadable_files(tmp_path, refused):
    path = tmp_path / "in" / "a.parquet"
    path.parent.mkdir()
    path.write_bytes(b"no Parquet")
    (tmp_path / "in" / "b.parquet").write_bytes(b"")
    message = refused(tmp_path / "in")
    assert f"{path}: not a readable Parquet file" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("compression", ["snappy", "zstd"])
def test_corrupt_row_group_among_good_ones(tmp_path, tiny_model, compression):
    path = tmp_path / "a.parquet"
    table = corpus_table(TEXTS * 2)
    pq.write_table(table, path, row_group_size=4, compression=compression)
    damage(path, 1, "text")
    assert extract(path, tmp_path / "out", tiny_model) == 0
    # Each lost document is counted.
    rejected = rejections(tmp_path / "out")
    assert [row[:2] for row in rejected] == [("a.parquet", row) for row in (4, 5, 6, 7)]
    for _, _, reason in rejected:
        assert reason.startswith("rows 4 to 7 of row group 1 can't be read: ")
    done = [row["source_row"] for row in extracted(tmp_path / "out") if row["text"]]
    assert done == [0, 1, 2, 3, 8, 9]


def test_texts_that_say_nothing(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "a.parquet", [None, "", " \t\n\u00a0\u3000", TEXTS[0]])
    assert extract(path, tmp_path / "out", tiny_model) == 0
    assert rejections(tmp_path / "out") == [
        ("a.parquet", 0, "column 'text' is null"),
        ("a.parquet", 1, "column 'text' is empty or white space"),
        ("a.parquet", 2, "column 'text' is empty or white space"),
    ]
    rows = extracted(tmp_path / "out")
    assert [row["document_id"] for row in rows] == ["a0", "a1", "a2", "a3"]
    assert [row["text"] for row in rows] == [None, None, None, TEXTS[0]]


def test_ids_that_say_nothing(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:3], key=pa.array([None, "", "x"]))
    assert extract(path, tmp_path / "out", tiny_model, "--id-column", "key") == 0
    assert rejections(tmp_path / "out") == [
        ("a.parquet", 0, "column 'key' is null"),
        ("a.parquet", 1, "column 'key' is empty"),
    ]


@pytest.mark.parametrize("type_", [pa.int64(), pa.uint8(), pa.dictionary(pa.int8(), pa.string())])
def test_ids_of_other_types(tmp_path, tiny_model, type_):
    ids = pa.array([7, 200]).cast(pa.string() if pa.types.is_dictionary(type_) else type_)
    key = ids.dictionary_encode() if pa.types.is_dictionary(type_) else ids
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:2], key=key)
    assert extract(path, tmp_path / "out", tiny_model, "--id-column", "key") == 0
    assert [row["document_id"] for row in extracted(tmp_path / "out")] == ["7", "200"]


def test_bytes_that_are_no_text(tmp_path, tiny_model):
    texts = strings(b"Oslo is in Norway.", b"Oslo \xff\xfe", b"a lone surrogate \xed\xa0\x80")
    path = tmp_path / "a.parquet"
    table = pa.table({"id": strings(b"a", b"b", b"c"), "title": strings(b"T", b"\xff", b"T")})
    pq.write_table(table.append_column("text", texts), path)
    assert extract(path, tmp_path / "out", tiny_model) == 0
    assert rejections(tmp_path / "out") == [
        ("a.parquet", 1, "column 'text' is not valid UTF-8 at byte 5"),
        ("a.parquet", 2, "column 'text' is not valid UTF-8 at byte 17"),
    ]
    assert [row["title"] for row in extracted(tmp_path / "out")] == ["T", None, "T"]


def test_ids_that_are_no_text(tmp_path, tiny_model):
    key = strings(b"ok", b"\xff")
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:2], key=key)
    assert extract(path, tmp_path / "out", tiny_model, "--id-column", "key") == 0
    assert rejections(tmp_path / "out") == [
        ("a.parquet", 1, "column 'key' is not valid UTF-8 at byte 0")
    ]


def test_control_characters_stay_in_place(tmp_path, tiny_model):
    control = "".join(map(chr, [*range(32), *range(127, 160)]))
    text = (
        f"Oslo{control}is in\x00Norway\u2028. \ufeffBergen\u200b too.\r\nAnd \U0001f600 Stavanger."
    )
    path = write_corpus(tmp_path / "a.parquet", [text, "\x00"])
    assert extract(path, tmp_path / "out", tiny_model) == 0
    first, second = extracted(tmp_path / "out")
    assert first["text"] == text
    assert second["text"] == "\x00"
    assert not first["rejected"]
    assert not second["rejected"]
    assert all(0 <= m["begin"] < m["end"] <= len(text) for m in first["mentions"])


def test_metadata_that_json_has_not(tmp_path, tiny_model):
    columns = {
        "nan": pa.array([float("nan"), float("inf"), None]),
        "day": pa.array([0, 1, None], pa.date32()),
        "blob": pa.array([b"\x00\xff", b"", None]),
        "nested": pa.array([{"a": [1.5, float("nan")]}, {"a": []}, None]),
        "broken": strings(b"fine", b"\xff", b""),
    }
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:3], **columns)
    names = ",".join(columns)
    assert extract(path, tmp_path / "out", tiny_model, "--metadata-columns", names) == 0

    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    found = [
        json.loads(row["metadata"], parse_constant=no_constant)
        for row in extracted(tmp_path / "out")
    ]
    assert [row["nan"] for row in found] == ["nan", "inf", None]
    assert [row["day"] for row in found] == ["1970-01-01", "1970-01-02", None]
    assert [row["blob"] for row in found] == ["00ff", "", None]
    assert [row["nested"] for row in found] == [{"a": [1.5, "nan"]}, {"a": []}, None]
    assert [row["broken"] for row in found] == ["fine", None, ""]


def test_very_large_document(tmp_path, tiny_model):
    # Almost all of it is white space and one endless word, so that the model has little to do.
    text = (TEXTS[0] + " " * 100_000) * 50 + "x" * 100_000 + " " + TEXTS[1]
    assert len(text) > 5_000_000
    path = write_corpus(tmp_path / "a.parquet", [TEXTS[2], text, TEXTS[3]])
    more = ("--max-characters", "6000000")
    assert extract(path, tmp_path / "out", tiny_model, *more) == 0
    assert rejections(tmp_path / "out") == []
    small, large, last = extracted(tmp_path / "out")
    assert large["text"] == text
    assert len(large["sentences"]) > 50
    assert max(m["end"] for m in large["mentions"]) > 5_000_000
    assert (small["text"], last["text"]) == (TEXTS[2], TEXTS[3])


def test_empty_corpus_folder(tmp_path, refused):
    (tmp_path / "in").mkdir()
    assert "no *.parquet" in refused(tmp_path / "in")
    assert "absent" in refused(tmp_path / "absent")
    assert "*.parquet" in refused(tmp_path / "in" / "*.parquet")


def test_corpus_without_rows(tmp_path, tiny_model):
    path = write_corpus(tmp_path / "a.parquet", [])
    assert extract(path, tmp_path / "out", tiny_model) == 0
    manifest = read_manifest(tmp_path / "out")
    assert listed_chunks(tmp_path / "out") == []
    assert manifest["state"] == "extracted"


def test_unknown_model(tmp_path, refused):
    path = write_corpus(tmp_path / "a.parquet")
    assert "nosuchmodel" in refused(path, model="nosuchmodel")
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in refused(path, model=tmp_path / "empty")


def test_damaged_model(tmp_path, tiny_model, refused):
    path = write_corpus(tmp_path / "a.parquet")
    model = tmp_path / "model"
    model.mkdir()
    for file in tiny_model.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    (model / "config.json").write_text("{")
    assert str(model) in refused(path, model=model)


def test_output_that_holds_a_run(tmp_path, tiny_model, refused, capsys):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    assert extract(path, tmp_path / "out", tiny_model) == 0
    capsys.readouterr()
    before = files(tmp_path / "out")
    message = refused(path)
    assert str(tmp_path / "out") in message
    assert "--resume" in message
    assert files(tmp_path / "out") == before


def test_output_that_is_a_file(tmp_path, refused):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    (tmp_path / "out").write_text("in the way")
    assert "--output" in refused(path)
    assert "--output" in refused(path, output=tmp_path / "out" / "below")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_that_may_not_be_written(tmp_path, refused):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "--output" in refused(path, output=tmp_path / "closed" / "out")


def test_model_that_fails_to_load_is_one_line(tmp_path, tiny_model, capsys):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    model = tmp_path / "model"
    model.mkdir()
    for file in tiny_model.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    # With hashes the damage is seen before any work.
    (model / "SHA256SUMS").unlink()
    assert extract(path, tmp_path / "out", model) == 1
    message = capsys.readouterr().err.rstrip("\n")
    assert f"model {model}" in message
    assert "while running" not in message
    assert "\n" not in message


def test_device_and_precision_that_are_not_there(tmp_path, refused):
    path = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    assert "--device: 'abacus'" in refused(path, "--device", "abacus")
    assert "--precision" in refused(path, "--precision", "fp3")
    assert not (tmp_path / "out").exists()
