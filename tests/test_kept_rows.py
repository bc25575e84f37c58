"""Rows of chunks that builds keep for each other: the same graph, with less work."""

import shutil
from collections import Counter
from contextlib import ExitStack
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.beam_runners import prism_options
from helpers.catalogues import entry, write_catalogue
from helpers.examples import examples
from helpers.extraction_folders import DOCS, LABEL_SCHEMA, Doc, born_in, change, write_folder
from helpers.output_folders import files, read_manifest, write_manifest
from pfn_kg.pipeline.build_phase import recorded_options, run_build
from pfn_kg.pipeline.manifest import read_extracted
from pfn_kg.pipeline.row_folders import rows_digest
from pfn_kg.schemas.build_options import BuildOptions
from pfn_kg.schemas.label_schema import LabelSchema
from pfn_kg.schemas.link_options import LinkOptions
from pfn_kg.schemas.rules import NameRules, NearNameOptions
from pfn_kg.schemas.shuffled_rows import MOVED_SCHEMA, Link
from pfn_kg.transforms.extraction.columns import ChunkFile
from pfn_kg.transforms.facts.chunk_rows import ChunkRows
from pfn_kg.transforms.facts.fact_options import FactOptions
from pfn_kg.transforms.facts.kept_rows import KeptRows
from pfn_kg.transforms.graph import make_rows
from pfn_kg.transforms.linking import occurrences, split_homonyms

KEEP = BuildOptions(keep_rows=True, sentences=True, keep_builds=1)
NAMES = ("Ada Lovelace", "Augusta Ada", "Grace Hopper", "ADA LOVELACE", "Ada Lovelaace")
PLACES = ("London", "Bonn", "New York")
# A relation with one object that is a value tells names of several things apart.
SCHEMA = LabelSchema.from_dict(
    LABEL_SCHEMA.to_dict()
    | {
        "relations": [
            relation | ({"max_objects": 1} if relation["name"] == "date of birth" else {})
            for relation in LABEL_SCHEMA.to_dict()["relations"]
        ]
    }
)


def said_of(id_, name, place, year, score):
    """A document that says where and when someone was born."""
    text = f"{name} was born in {place} in {year}. Nothing more."
    mentions = ((name, "PER", 0.9), (place, "LOC", 0.8), (year, "TIME", 0.9))
    triples = ((name, "place of birth", place, score), (name, "date of birth", year, score))
    return Doc(id_, text, mentions, triples)


DOCUMENTS = st.builds(
    said_of,
    st.sampled_from("abcdef"),
    st.sampled_from(NAMES),
    st.sampled_from(PLACES),
    st.sampled_from(["1815", "1906"]),
    st.sampled_from([0.4, 0.6, 0.9]),
)
# What makes names one, and one name several things. The table says that "Augusta Ada" is someone,
# and the catalogue has someone.
MERGING = st.fixed_dictionaries(
    {},
    optional={
        "fuzzy": st.just(NearNameOptions(similarity=0.8)),
        "aliases": st.sampled_from(["Ada Lovelace", "Grace Hopper"]),
        "catalogue": st.sampled_from([NAMES[0], NAMES[2]]),
        "homonyms": st.sampled_from(["flag", "split"]),
        "names": st.just(NameRules(middle_names=True, type_votes=True)),
    },
)
CHANGES = st.lists(
    st.tuples(
        st.lists(DOCUMENTS, max_size=3), st.sets(st.sampled_from("abcdef"), max_size=2), MERGING
    ),
    min_size=1,
    max_size=3,
)


def graph_of(folder):
    return files(folder, but=("extractions", "lists", "rows"))


def worked_out(folder, options=KEEP, arguments=()):
    """Builds, and gives how many chunks were not read as they were kept."""
    with mock.patch.object(make_rows, "rows_of_chunk", wraps=make_rows.rows_of_chunk) as made:
        run_build(str(folder), options, arguments)
    return made.call_count


def built_anew(folder, scratch, options=KEEP):
    """The graph that a whole build makes of the same extractions, and its counts."""
    shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns("rows", "builds", "graph"))
    manifest = read_manifest(scratch)
    write_manifest(scratch, {k: v for k, v in manifest.items() if k not in ("graph", "build")})
    run_build(str(scratch), options.changed(keep_rows=False))
    return graph_of(scratch), read_manifest(scratch)["build"]["counts"]


def check(folder, scratch, **changes):
    expected, counts = built_anew(folder, scratch, KEEP.changed(**changes))
    # What a graph before this one was called is not part of what the documents say.
    found = graph_of(folder)
    assert {k: v for k, v in found.items() if not k.startswith("redirects")} == {
        k: v for k, v in expected.items() if not k.startswith("redirects")
    }
    assert read_manifest(folder)["build"]["counts"] | {"redirects": 0} == counts | {"redirects": 0}


def options_of(place, merging):
    """Options that change nothing but what is one; writes their files to a folder."""
    place.mkdir()
    options = {"shard_rows": 3, **merging}
    if "aliases" in merging:
        path = place / "aliases.csv"
        path.write_text(f"alias,type,canonical_name\nAugusta Ada,PER,{merging['aliases']}\n")
        options["aliases"] = str(path)
    if "catalogue" in merging:
        known = entry("known", merging["catalogue"], type="PER", popularity=9)
        path = write_catalogue(place / "catalogue.parquet", known)
        options["catalogue"] = LinkOptions(path=path, confidence=0.1)
    return options


@given(CHANGES)
@examples(4, shared_fixtures=True)
def test_changes_make_the_graph_that_a_whole_build_makes(tmp_path_factory, changes):
    place = tmp_path_factory.mktemp("run")
    folder = place / "out"
    write_folder(folder, DOCS, label_schema=SCHEMA)
    assert worked_out(folder, KEEP.changed(shard_rows=3)) == 4
    for generation, (docs, removed, merging) in enumerate(changes, 1):
        change(folder, generation, docs, removed)
        options = options_of(place / str(generation), merging)
        worked_out(folder, KEEP.changed(**options))
        check(folder, place / f"new{generation}", **options)


def test_only_what_changed_is_worked_out(tmp_path):
    folder = tmp_path / "out"
    write_folder(folder, [born_in(f"d{n}", NAMES[n % 3], PLACES[n % 2], 0.9) for n in range(20)])
    assert worked_out(folder) == 10
    assert worked_out(folder) == 0
    change(folder, 1, [born_in("new", "Grace Hopper", "Bonn", 0.9)], [])
    assert worked_out(folder) == 1
    # The chunk of the document that is said anew, and that of the one that is removed.
    change(folder, 2, [born_in("d3", "Grace Hopper", "Bonn", 0.6)], ["d7"])
    assert worked_out(folder) == 3
    check(folder, tmp_path / "new")
    assert len(list((folder / "rows").rglob("*.rows"))) == 12
    # As it was last built is how `pfn-kg remove` and `--into` build it.
    assert recorded_options(str(folder), read_extracted(str(folder))).keep_rows


def asked(folder, options):
    """Builds, and gives how many chunks each step has worked out."""
    steps = {
        "names": (make_rows, "names_of_chunk"),
        "lookups": (occurrences, "occurrences_of_chunk"),
        "contexts": (split_homonyms, "contexts_of"),
        "rows": (make_rows, "rows_of_chunk"),
    }
    with ExitStack() as stack:
        made = {
            step: stack.enter_context(mock.patch.object(owner, name, wraps=getattr(owner, name)))
            for step, (owner, name) in steps.items()
        }
        run_build(str(folder), options)
    return {step: function.call_count for step, function in made.items()}


def test_every_step_works_out_what_changed_alone(tmp_path):
    folder = tmp_path / "out"
    docs = [said_of(f"d{n}", NAMES[n // 2], "Bonn", "1815", 0.9) for n in range(6)]
    write_folder(folder, docs, label_schema=SCHEMA)
    merging = {"fuzzy": NearNameOptions(similarity=0.8), "homonyms": "split", "catalogue": NAMES[2]}
    changes = options_of(tmp_path / "merging", merging)
    options = KEEP.changed(**changes)
    assert asked(folder, options) == {"names": 3, "lookups": 3, "contexts": 3, "rows": 3}
    assert asked(folder, options) == {"names": 0, "lookups": 0, "contexts": 0, "rows": 0}
    change(folder, 1, [said_of("new", "Augusta Ada", "Rome", "1815", 0.9)], [])
    assert asked(folder, options) == {"names": 1, "lookups": 1, "contexts": 1, "rows": 1}
    # Most documents spell the first chunk's name otherwise now, so that its mentions go to another
    # entity. Its names are what they were, and the other chunks know nothing of it.
    other = [said_of(f"e{n}", "Ada Lovelaace", "Bonn", "1815", 0.9) for n in range(3)]
    change(folder, 2, other, [])
    assert asked(folder, options) == {"names": 1, "lookups": 2, "contexts": 2, "rows": 2}
    change(folder, 3, [], ["d4"])
    assert asked(folder, options) == {"names": 1, "lookups": 1, "contexts": 1, "rows": 1}
    check(folder, tmp_path / "new", **changes)
    # Steps that a build does not have leave theirs as it is.
    assert asked(folder, KEEP.changed(shard_rows=3))["names"] == 0
    assert asked(folder, options) == {"names": 0, "lookups": 0, "contexts": 0, "rows": 2}
    assert asked(folder, KEEP.changed(keep_rows=False, **changes))["names"] == 5
    assert not (folder / "rows").exists()


def test_an_alias_leaves_names_as_they_are(tmp_path):
    folder = tmp_path / "out"
    docs = [said_of(f"d{n}", NAMES[n // 2], "Bonn", "1815", 0.9) for n in range(6)]
    write_folder(folder, docs, label_schema=SCHEMA)
    for number, (heir, rows) in enumerate((("Grace Hopper", 3), ("Ada Lovelace", 1))):
        changes = options_of(tmp_path / f"options{number}", {"aliases": heir})
        found = asked(folder, KEEP.changed(**changes))
        assert (found["names"], found["rows"]) == (3 if number == 0 else 0, rows)
        check(folder, tmp_path / f"new{number}", **changes)


def test_other_options_work_all_out(tmp_path):
    folder = tmp_path / "out"
    write_folder(folder, DOCS)
    assert worked_out(folder) == 4
    assert worked_out(folder, KEEP.changed(relation_threshold=0.7)) == 4
    check(folder, tmp_path / "new", relation_threshold=0.7)
    # Rows of other options are of no use any more, and none are without the option.
    assert len(list((folder / "rows").iterdir())) == 1
    assert worked_out(folder, KEEP.changed(keep_rows=False)) == 4
    assert not (folder / "rows").exists()


def test_what_the_rows_depend_on():
    facts = FactOptions(0.5, 0.5)
    schema = LABEL_SCHEMA.to_dict()
    digests = [
        rows_digest(LABEL_SCHEMA, facts),
        rows_digest(LABEL_SCHEMA, facts._replace(entity_threshold=0.6)),
        rows_digest(LABEL_SCHEMA, facts._replace(sentences=True)),
        rows_digest(LABEL_SCHEMA, facts._replace(names=NameRules(first_words=True))),
        rows_digest(LabelSchema.from_dict(schema | {"base_iri": "https://x.org/"}), facts),
    ]
    assert len(set(digests)) == len(digests)
    assert rows_digest(LABEL_SCHEMA, facts) == digests[0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "of another chunk"])
def test_damaged_rows_are_worked_out_again(tmp_path, damage):
    folder = tmp_path / "out"
    write_folder(folder, DOCS)
    assert worked_out(folder) == 4
    first, second, *_ = sorted((folder / "rows").rglob("*.rows"))
    data = bytearray(first.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
    elif damage == "empty":
        data = bytearray()
    else:
        # Of one that left the same rows out: the name of the chunk tells them apart.
        data = bytearray(second.read_bytes())
    first.write_bytes(data)
    assert worked_out(folder) == 1
    check(folder, tmp_path / "new")
    assert worked_out(folder) == 0


def test_a_build_with_corrections_keeps_no_rows(tmp_path):
    folder, file = tmp_path / "out", tmp_path / "corrections.csv"
    write_folder(folder, DOCS)
    file.write_text("kind,name,type,new_name\nrename,London,LOC,City of London\n")
    options = KEEP.changed(corrections=str(file))
    assert worked_out(folder, options) == worked_out(folder, options) == 4
    # Names are what documents say before anyone corrects them.
    options = options.changed(fuzzy=NearNameOptions(similarity=0.8))
    assert [asked(folder, options)[step] for step in ("names", "rows")] == [4, 4]
    assert [asked(folder, options)[step] for step in ("names", "rows")] == [0, 4]


def test_other_links_work_out_the_chunks_that_they_concern(tmp_path):
    folder = tmp_path / "out"
    names = ("Ada Lovelace", "Ada Lovelace", *["Grace Hopper"] * 4)
    docs = [born_in(f"d{n}", name, "Bonn", 0.9) for n, name in enumerate(names)]
    write_folder(folder, docs)
    assert worked_out(folder) == 3
    one, other = (
        write_catalogue(
            tmp_path / f"{id_}.parquet", entry(id_, "Ada Lovelace", type="PER", popularity=9)
        )
        for id_ in ("ada", "augusta")
    )
    for number, path in enumerate((one, other)):
        link = LinkOptions(path=path, confidence=0.1)
        assert worked_out(folder, KEEP.changed(catalogue=link)) == 1
        assert worked_out(folder, KEEP.changed(catalogue=link)) == 0
        check(folder, tmp_path / f"new{number}", catalogue=link)
    # What is linked no more is as it was.
    assert worked_out(folder) == 1
    check(folder, tmp_path / "without")


IDS = st.binary(min_size=12, max_size=12)
LINKS = st.lists(
    st.builds(
        Link,
        IDS,
        IDS,
        st.sampled_from(["catalogue", "homonyms"]),
        st.sampled_from(["PER", "LOC"]),
        st.sampled_from([None, "", "a", "b"]),
    ),
    max_size=3,
    unique=True,
)


@given(links=LINKS, splits=LINKS, rng=st.randoms(use_true_random=False))
@examples(30, shared_fixtures=True)
def test_rows_are_found_by_their_links_alone(tmp_path_factory, links, splits, rng):
    kept = KeptRows(str(tmp_path_factory.mktemp("rows")))
    chunk = ChunkFile(0, "chunk-0.parquet", "model")
    rows = ChunkRows({}, Counter(documents=1), MOVED_SCHEMA.empty_table(), Counter(), None)
    kept.keep(chunk, {"links": (links, splits)}, rows)
    mixed = tuple(rng.sample(of, len(of)) for of in (links, splits))
    assert kept.find(chunk, {"links": mixed}) is not None
    for other in ((), (links,), (splits,), (splits, links)):
        same = [set(of) for of in other] == [set(of) for of in (links, splits)]
        assert (kept.find(chunk, {"links": other}) is not None) is same


def test_what_one_step_keeps_is_of_no_use_to_another(tmp_path):
    kept = KeptRows(str(tmp_path))
    chunk = ChunkFile(0, "chunk-0.parquet", "model")
    one, other = (MOVED_SCHEMA.empty_table(), pa.table({"name": ["Ada"]}))
    assert kept.tables("names", chunk, {"losers": []}, lambda: {"": one}) == {"": one}
    assert kept.tables("names", chunk, {"losers": []}, lambda: {"": other}) == {"": one}
    shutil.copy(kept.path(chunk.path, "names"), kept.path(chunk.path, "contexts"))
    assert kept.tables("contexts", chunk, {"losers": []}, lambda: {"": other}) == {"": other}
    assert kept.tables("names", chunk, {"losers": [3]}, lambda: {"": other}) == {"": other}
    assert kept.find(chunk, {"losers": []}) is None
    assert {path.name for path in tmp_path.iterdir()} == {"chunk-0.names", "chunk-0.contexts"}
    assert {str(path) for path in tmp_path.iterdir()} < kept.paths(chunk.path)


@pytest.mark.skipif(prism_options() is None, reason="PFN_KG_PRISM names no Prism")
def test_kept_rows_on_prism(tmp_path):
    folder = tmp_path / "out"
    write_folder(folder, DOCS)
    run_build(str(folder), KEEP, prism_options())
    kept = sorted((folder / "rows").rglob("*.rows"))
    assert len(kept) == 4
    change(folder, 1, [born_in("new", "Grace Hopper", "Bonn", 0.9)], ["a"])
    run_build(str(folder), KEEP, prism_options())
    assert len(list((folder / "rows").rglob("*.rows"))) == 5
    check(folder, tmp_path / "new")
