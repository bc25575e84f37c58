"""`pfn-kg ingest`: what people have becomes a corpus, and what can't be read is named."""

import builtins
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.corpora import run
from helpers.output_folders import table_rows
from helpers.pdf_files import pdf_bytes
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.ingest import encodings
from pfn_kg.pipeline.ingest.paged_text import paged_document, without_running_heads
from pfn_kg.pipeline.pages import page_of

GERMAN = (
    "Zürich liegt schön am See, und der Fluß heißt Limmat. Über die Brücke gehen täglich viele "
    "Menschen, die „Grüezi“ sagen; ein Café steht am Ufer. Früher hieß die Straße anders."
)
PAGE = """<html lang="en"><head><meta charset="{charset}"><title>A machine - Site</title>
<meta name="author" content="Ann Bell"><link rel="canonical" href="https://example.org/a"></head>
<body><nav><a href="/">Home</a> <a href="/b">About us</a></nav><article><h1>A machine</h1>
<p>Ada Lovelace was born in London in 1815. She wrote notes on a machine, read to this day.</p>
<p>Zürich &amp; Genève are named here, so that the text is long enough for an article of its own,
which no reader will take for a menu.</p></article><footer>Copyright</footer>
<script>alert(1)</script></body></html>"""


class Call:
    """Runs the command in a folder; keeps what was said."""

    def __init__(self, folder, capsys):
        self.folder, self._capsys = folder, capsys
        self.out = self.err = ""

    def __call__(self, *arguments, code=0):
        call = ["ingest", *map(str, arguments), "--output", str(self.folder / "c.parquet")]
        got = main(call)
        self.out, self.err = self._capsys.readouterr()
        assert got == code, self.err
        return self.rows() if (self.folder / "c.parquet").exists() else None

    def rows(self):
        return pq.read_table(self.folder / "c.parquet").to_pylist()

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.fixture
def ingest(tmp_path, capsys):
    return Call(tmp_path, capsys)


def lines(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def test_json_lines(ingest):
    path = ingest.write(
        "a.jsonl",
        lines(
            {"key": 1, "body": "Zürich 👩‍🚀", "year": 1999, "tags": ["a", "ö"], "ok": True},
            {"key": "b", "body": "two", "title": "T", "year": 2.5, "by": {"name": "x"}},
            {"key": "c", "body": "three", "text": "another field", "file": "own"},
        )
        + "\n\n",
    )
    found = ingest(path, "--id-column", "key", "--text-column", "body")
    nothing = dict.fromkeys(("title", "year", "tags", "ok", "by", "text_2", "file_2"))
    base = {"file": "a.jsonl", **nothing}
    assert found == [
        base | {"id": "1", "text": "Zürich 👩‍🚀", "year": 1999.0, "tags": '["a", "ö"]', "ok": True},
        base | {"id": "b", "title": "T", "text": "two", "year": 2.5, "by": '{"name": "x"}'},
        base | {"id": "c", "text": "three", "text_2": "another field", "file_2": "own"},
    ]
    assert ingest.err == ""
    output = ingest.folder / "c.parquet"
    assert ingest.out == (
        f"{output}: 3 documents of 1 file\n"
        f"pfn-kg run {output} --metadata-columns file,year,tags,ok,by,text_2,file_2 --output DIR\n"
    )


def test_records_that_cannot_be_read_are_named(ingest):
    path = ingest.write(
        "a.jsonl",
        '{"id": 1, "text": "good"}\n{"id": 2}\n{"id": 3, "text": ""}\n{"id": 4, "text": 5}\n'
        '{"text": "no id"}\n{broken\n[1]\n{"id": 8, "text": "good too"}\n',
    )
    found = ingest(path, code=1)
    assert [row["id"] for row in found] == ["1", "8"]
    assert ingest.out.startswith(
        f"{ingest.folder / 'c.parquet'}: 2 documents of 1 file, 6 rejected"
    )
    said = ingest.err.splitlines()
    assert [line.removeprefix(f"pfn-kg: {path}: ") for line in said] == [
        "line 2: no field 'text' (it has id)",
        "line 3: the field 'text' is empty",
        "line 4: the field 'text' is a number, not text",
        "line 5: no field 'id' (it has text)",
        said[4].removeprefix(f"pfn-kg: {path}: "),
        "line 7: not an object but a list",
    ]
    assert said[4].startswith(f"pfn-kg: {path}: line 6: not valid JSON: ")
    ingest(path, "--max-rejected", 6)
    ingest(path, "--max-rejected", 5, code=1)


def test_many_bad_records_are_counted(ingest):
    path = ingest.write("a.jsonl", lines({"id": 1, "text": "x"}) + "{\n" * 25)
    ingest(path, code=1)
    said = ingest.err.splitlines()
    assert len(said) == 11
    assert said[-1] == f"pfn-kg: {path}: 15 more records can't be read"


@pytest.mark.parametrize("layout", ["list", "one object", "lines"])
def test_json_of_other_layouts(ingest, layout):
    records = [{"id": "a", "text": "one", "doc": {"body": "x"}}, {"id": "b", "text": "two"}]
    content = {
        "list": json.dumps(records, indent=2),
        "one object": json.dumps(records[0], indent=2),
        "lines": lines(*records),
    }[layout]
    found = ingest(ingest.write("a.json", content))
    assert [row["text"] for row in found] == (["one"] if layout == "one object" else ["one", "two"])


def test_nested_fields(ingest):
    path = ingest.write("a.jsonl", lines({"m": {"id": "x"}, "doc": {"body": "text"}}))
    [row] = ingest(path, "--id-column", "m.id", "--text-column", "doc.body")
    assert (row["id"], row["text"]) == ("x", "text")


def test_csv(ingest):
    path = ingest.write(
        "a.csv", 'id;text;lang\r\n1;"Two\r\nlines; one cell";en\r\n2;b;\r\n3;too;many;cells\r\n'
    )
    found = ingest(path, code=1)
    assert [(row["id"], row["text"], row["lang"]) for row in found] == [
        ("1", "Two\r\nlines; one cell", "en"),
        ("2", "b", None),
    ]
    assert ingest.err == f"pfn-kg: {path}: line 5: 4 cells, but 3 columns have a name\n"
    tabs = ingest.write("b.tsv", "id\ttext\n1\ta, b; c\n")
    assert [row["text"] for row in ingest(tabs)] == ["a, b; c"]
    colons = ingest.write("c.csv", "id:text\n1:a,b\n")
    assert [row["text"] for row in ingest(colons, "--delimiter", ":")] == ["a,b"]


def test_a_long_cell(ingest):
    text = "word " * 100_000
    [row] = ingest(ingest.write("a.csv", f'id,text\n1,"{text}"\n'))
    assert row["text"] == text


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("cp1252", "cp1252"),
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
    ],
)
@pytest.mark.parametrize("format_", ["txt", "jsonl", "csv", "md"])
def test_encodings_are_detected_and_said(ingest, encoding, said, format_):
    content = {
        "txt": GERMAN,
        "md": GERMAN,
        "jsonl": lines({"id": 1, "text": GERMAN}),
        "csv": f'id,text\n1,"{GERMAN}"\n',
    }[format_]
    path = ingest.write(f"a.{format_}", content.encode(encoding))
    [row] = ingest(path)
    assert row["text"] == GERMAN
    assert ingest.err == (f"pfn-kg: read as {said}: {path}\n" if said else "")


def test_an_encoding_that_is_named(ingest):
    path = ingest.write("a.txt", "Łódź".encode("iso8859-2"))
    [row] = ingest(path, "--encoding", "iso8859-2")
    assert row["text"] == "Łódź"
    ingest(path, "--encoding", "ascii", code=1)
    assert ingest.err.splitlines()[0] == f"pfn-kg: {path}: no text in ascii at byte 0"
    assert main(["ingest", str(path), "--output", "x.parquet", "--encoding", "klingon"]) == 2


def test_a_byte_that_comes_late_is_detected(ingest, monkeypatch):
    monkeypatch.setattr(encodings, "_PIECE_BYTES", 1000)
    records = [{"id": i, "text": "plain words of no interest"} for i in range(300)]
    path = ingest.write("a.jsonl", lines(*records, {"id": "last", "text": GERMAN}).encode("cp1252"))
    assert ingest(path)[-1]["text"] == GERMAN
    assert "read as cp1252" in ingest.err


def test_text_files_of_a_folder(ingest):
    for name in ("a.txt", "deep/er/b.TXT", ".hidden.txt", "_tmp/c.txt"):
        ingest.write(f"in/{name}", f"Text of {name}.\r\nMore.\r\n")
    ingest.write("in/d.docx", b"PK")
    found = ingest(ingest.folder / "in")
    assert [(row["id"], row["file"], row["text"]) for row in found] == [
        ("a.txt", "a.txt", "Text of a.txt.\nMore."),
        ("deep/er/b.TXT", "deep/er/b.TXT", "Text of deep/er/b.TXT.\nMore."),
    ]
    assert ingest.err == "pfn-kg: left out, since no format is known for the ending: 1 .docx\n"


def test_ids_are_distinct(ingest):
    for name in ("x/a.txt", "y/a.txt"):
        ingest.write(f"in/{name}", name)
    found = ingest(ingest.folder / "in" / "x", ingest.folder / "in" / "y")
    assert [row["id"] for row in found] == ["x/a.txt", "y/a.txt"]
    derived = ingest(ingest.folder / "in" / "x", "--id-column", "none")
    again = ingest(ingest.folder / "in", "--id-column", "none")
    assert derived[0]["id"] == again[0]["id"] != again[1]["id"]


def test_a_pattern_and_gzip(ingest):
    ingest.write("in/a.txt.gz", gzip.compress(b"zipped"))
    ingest.write("in/b.txt.gz", gzip.compress(b"cut off" * 1000)[:-20])
    found = ingest(ingest.folder / "in" / "*.gz", code=1)
    assert [row["text"] for row in found] == ["zipped"]
    assert ingest.err.startswith(
        f"pfn-kg: {ingest.folder / 'in' / 'b.txt.gz'}: not readable as gzip"
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b" \n", "no text in it"),
        ("a.txt", b"MZ\x00\x01\xff\x80\x00", "no text: no encoding fits its bytes"),
        ("a.txt", b"a\x00b", "no text but binary data"),
        ("a.md", b"---\ntitle: [\n---\nx", "line 3: the front matter is not valid YAML"),
        ("a.json", b'{"id": 1, ', "not valid JSON: "),
        ("a.csv", b"", "empty, without a row of names"),
        ("a.csv", b"a,a\n1,2\n", "two columns have the same name"),
        ("a.csv", b'id,text\n1,"open\n', "line 2: "),
        ("a.html", b"<html><body></body></html>", "no text in it"),
        ("a.pdf", b"%PDF-1.4 junk", "no readable PDF: data format error"),
        ("a.pdf", pdf_bytes([[], []]), "no text on its 2 pages; if they are scanned"),
    ],
)
def test_a_file_that_cannot_be_read(ingest, name, content, reason):
    bad = ingest.write(f"in/{name}", content)
    good = ingest.write("in/good.txt", "A good text.")
    assert [row["id"] for row in ingest(bad, good, code=1)] == ["good.txt"]
    [line] = ingest.err.splitlines()
    assert line.startswith(f"pfn-kg: {bad}: {reason}")
    (ingest.folder / "c.parquet").unlink()
    assert ingest(bad, code=1) is None
    output = ingest.folder / "c.parquet"
    assert ingest.err.splitlines()[-1] == (
        f"pfn-kg: no document was read, and {output} is not written"
    )


def test_a_file_without_rights(ingest, monkeypatch):
    bad, good = ingest.write("a.txt", "a"), ingest.write("b.txt", "b")
    real = builtins.open

    def guarded(path, *args, **options):
        if str(path) == str(bad):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args, **options)

    # Whoever runs the tests may read everything.
    monkeypatch.setattr("io.open", guarded)
    assert [row["id"] for row in ingest(bad, good, code=1)] == ["b.txt"]
    assert ingest.err == f"pfn-kg: {bad}: can't be read: Permission denied\n"


def test_a_parser_that_fails(ingest, monkeypatch):
    def fail(*_, **__):
        raise RecursionError("too deep")

    monkeypatch.setattr("trafilatura.bare_extraction", fail)
    bad, good = ingest.write("a.html", "<p>x</p>"), ingest.write("b.txt", "b")
    assert [row["id"] for row in ingest(bad, good, code=1)] == ["b.txt"]
    assert ingest.err == f"pfn-kg: {bad}: can't be read: RecursionError: too deep\n"


def test_a_full_disk_is_no_bad_input(ingest, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pfn_kg.pipeline.ingest.corpus_file.CorpusFile.add", full)
    assert ingest(ingest.write("a.txt", "a"), code=1) is None
    assert ingest.err == "pfn-kg: [Errno 28] No space left on device\n"


def test_other_file_systems(memory, capsys):
    memory["memory://in/a.jsonl"] = lines({"id": 1, "text": "one"}).encode()
    memory["memory://in/b.txt"] = b"two"
    assert main(["ingest", "memory://in", "--output", "memory://out/c.parquet"]) == 0
    found = pq.read_table(pa.BufferReader(memory["memory://out/c.parquet"])).to_pylist()
    assert [row["id"] for row in found] == ["1", "b.txt"]
    assert [path for path in memory if path.startswith("memory://out")] == [
        "memory://out/c.parquet"
    ]


def test_markdown(ingest):
    path = ingest.write(
        "a.md",
        "---\ntitle: Notes\ndate: 2020-03-04\ntags: [a, b]\n---\n# A *head*\n\nAda `wrote` a\n"
        "[note](https://example.org) &amp; more.<br>\n\n- one\n- two\n\n```\ncode()\n```\n\n"
        "| a | b |\n|---|---|\n| c | d |\n\n<script>x()</script>\n",
    )
    [row] = ingest(path)
    assert row["text"] == "A head\n\nAda wrote a\nnote & more.\n\none\ntwo\n\na | b\n\nc | d"
    assert (row["title"], row["date"], row["tags"]) == ("Notes", "2020-03-04", '["a", "b"]')
    [row] = ingest(ingest.write("b.md", "Text first.\n\n# Head\n"))
    assert row["title"] == "Head"


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1", "windows-1252"])
def test_html(ingest, charset):
    path = ingest.write("a.html", PAGE.format(charset=charset).encode(charset))
    [row] = ingest(path)
    assert "Ada Lovelace was born in London in 1815." in row["text"]
    assert "Zürich & Genève are named here" in row["text"]
    assert not any(word in row["text"] for word in ("About us", "Copyright", "alert"))
    assert (row["title"], row["url"]) == ("A machine", "https://example.org/a")
    assert row["author"] == "Ann Bell"
    assert ("read as" in ingest.err) == (charset != "utf-8")


def test_a_short_page(ingest):
    [row] = ingest(ingest.write("a.html", "<p>Ada was born in London.</p>"))
    assert row["text"] == "Ada was born in London."


PAGES = [
    ["A Life of Ada   1", "Ada Lovelace was born in Lon-", "don in 1815. She moved"],
    ["2   A Life of Ada", "to Paris with her mo-"],
    ["A Life of Ada   3", "ther. The End."],
    ["A Life of Ada   4"],
    ["A Life of Ada   5", "An index.", "v"],
]


def test_pdf(ingest):
    path = ingest.write("a.pdf", pdf_bytes(PAGES, "A Life"))
    [row] = ingest(path)
    assert (row["id"], row["title"]) == ("a.pdf", "A Life")
    assert row["text"].startswith("A Life of Ada 1\nAda Lovelace was born in Lon-\ndon in 1815.")
    assert len(row["pages"]) == 5
    for begin, lines_ in zip(row["pages"], PAGES, strict=True):
        assert row["text"][begin:].startswith(" ".join(lines_[0].split()))


def test_pdf_mended(ingest):
    pages = [["Head   9", *page[1:]] for page in PAGES]
    path = ingest.write("a.pdf", pdf_bytes(pages))
    [row] = ingest(path, "--join-hyphens", "--drop-running-heads")
    text = "Ada Lovelace was born in London in 1815. She moved\nto Paris with her mother. The End."
    assert row["text"] == f"{text}\n\nAn index.\nv"
    begins = [row["text"].index(part) for part in ("Ada", "to Paris", "ther.", "An index")]
    # The empty page begins where the text before it ends.
    assert row["pages"] == [*begins[:3], len(text), begins[3]]


def test_pages_of_text_files(ingest):
    [row] = ingest(ingest.write("a.txt", "First page.\fSecond page.\f"))
    assert (row["text"], row["pages"]) == ("First page.\n\nSecond page.", [0, 13])
    assert pq.read_schema(ingest.folder / "c.parquet").field("pages").type == pa.list_(pa.int32())
    [row] = ingest(ingest.write("b.txt", "No pages."))
    assert "pages" not in row


@given(
    st.lists(st.text("ab-\n .é", max_size=12), min_size=1, max_size=6),
    st.booleans(),
)
def test_every_page_begins_where_it_begins(pages, join_hyphens):
    document = paged_document(pages, join_hyphens=join_hyphens, drop_running_heads=False)
    if len(pages) == 1:
        assert document.pages == ()
        return
    assert len(document.pages) == len(pages)
    assert list(document.pages) == sorted(document.pages)
    assert all(0 <= begin <= len(document.text) for begin in document.pages)
    if join_hyphens:
        return
    for begin, page in zip(document.pages, pages, strict=True):
        assert document.text[begin:].startswith(page.strip())


def test_running_heads_are_found_at_the_edges_alone():
    words = ["alpha", "beta", "gamma", "delta", "epsilon"]
    pages = [
        f"Title of it {n}\n\nOn {word}.\nMore on {word}.\nTitle of it\n{word}\nend {word}\n- {n} -"
        for n, word in enumerate(words)
    ]
    assert without_running_heads(pages) == [
        f"\nOn {word}.\nMore on {word}.\nTitle of it\n{word}\nend {word}" for word in words
    ]
    assert without_running_heads(pages[:2]) == pages[:2]
    odd = [f"{'Left' if n % 2 else 'Right'} head\nBody of {chr(65 + n)}" for n in range(8)]
    assert without_running_heads(odd) == [f"Body of {chr(65 + n)}" for n in range(8)]


def test_fields_that_are_chosen(ingest):
    path = ingest.write("a.jsonl", lines({"id": 1, "text": "x", "a": 1, "b": 2}))
    [row] = ingest(path, "--metadata-columns", "b")
    assert set(row) == {"id", "title", "text", "file", "b"}


def test_a_killed_write_leaves_the_file_before(ingest, monkeypatch):
    ingest(ingest.write("a.txt", "before"))
    before = (ingest.folder / "c.parquet").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    ingest(ingest.write("b.txt", "after"), code=1)
    assert "No space left on device" in ingest.err
    assert (ingest.folder / "c.parquet").read_bytes() == before
    assert sorted(p.name for p in ingest.folder.iterdir()) == ["a.txt", "b.txt", "c.parquet"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.txt"], "INPUT: nowhere.txt: no such file or folder"),
        (["empty"], "INPUT: empty: no file below this folder can be read"),
        (["a.docx"], "the ending is not known"),
        (["a.txt", "--output", "x.csv"], "--output: 'x.csv' does not end in .parquet"),
        (["a.txt", "--delimiter", "ab"], "--delimiter: 'ab' is not one character"),
    ],
)
def test_calls_that_are_wrong(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("a.docx").write_bytes(b"PK")
    Path("a.txt").write_text("a")
    output = [] if "--output" in arguments else ["--output", "c.parquet"]
    assert main(["ingest", *arguments, *output]) == 2
    assert said in capsys.readouterr().err
    assert not Path("c.parquet").exists()


@pytest.mark.parametrize(("name", "module"), [("a.pdf", "pypdfium2"), ("a.html", "trafilatura")])
def test_a_library_that_is_missing(ingest, monkeypatch, name, module):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    path = ingest.write(name, "x")
    ingest(path, code=2)
    assert f"{module} is not installed; install it by `pip install" in ingest.err


def test_evidence_cites_a_page(ingest, tmp_path, tiny_model, capsys):
    pages = [["Nothing here."], ["Marie Curie was born in Warsaw."], ["She worked in Paris."]]
    ingest(ingest.write("a.pdf", pdf_bytes(pages)))
    columns = ingest.out.partition("--metadata-columns ")[2].partition(" ")[0]
    out = tmp_path / "out"
    corpus = ingest.folder / "c.parquet"
    options = ["--metadata-columns", columns, "--relation-threshold", "0.2"]
    assert run(corpus, out, tiny_model, *options) == 0
    [document] = table_rows(out, "documents")
    mentions = table_rows(out, "mentions")
    assert {page_of(document["metadata"], m["begin"]) for m in mentions} <= {1, 2, 3}
    [warsaw] = [m for m in mentions if m["text"] == "Warsaw"]
    assert page_of(document["metadata"], warsaw["begin"]) == 2
    facts = table_rows(out, "relations")
    assert facts
    capsys.readouterr()
    assert main(["show", str(out), "Warsaw"]) == 0
    assert "[a.pdf, page 2" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.jsonl", "b.csv", "c.PDF"])
def test_run_says_how_to_convert(ingest, tmp_path, tiny_model, capsys, name):
    path = ingest.write(f"in/{name}", "x")
    for corpus in (path, path.parent):
        assert run(corpus, tmp_path / "out", tiny_model) == 2
        assert f"`pfn-kg ingest {corpus}` with --output corpus.parquet" in capsys.readouterr().err
