"""The transformations of appendix D: what they change, what they keep, and that they repeat."""

import json
import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.examples import examples
from pfn_kg.pfn.evaluation.robustness import TRANSFORMATIONS, Lexicon, robustness, transform
from pfn_kg.pfn.readers.records import Reading
from pfn_kg.pipeline.cli import main

pytestmark = pytest.mark.quick


def reading(*sentences):
    found = Reading()
    for number, (text, entities, triples) in enumerate(sentences):
        found.add("d", number, text.split(), entities, triples)
    return found


DATA = reading(
    (
        "Anna Bell met NATO in London .",
        [(0, 2, "PER"), (3, 4, "ORG"), (5, 6, "LOC")],
        [(0, "at", 2)],
    ),
    ("Zürich and New York City", [(0, 1, "LOC"), (2, 5, "LOC")], [(0, "near", 1)]),
    ("It rained .", [], []),
    # One entity inside another: neither is touched.
    ("University of London", [(0, 3, "ORG"), (2, 3, "LOC")], []),
    ("François works for Acme Corp", [(0, 1, "PER"), (3, 5, "ORG")], [(0, "for", 1)]),
    ("东京 is in 日本", [(0, 1, "LOC"), (3, 4, "LOC")], [(0, "in", 1)]),
)


def words(sentence, entity):
    return sentence.tokens[entity[0] : entity[1]]


def outside(sentence):
    inside = {i for begin, end, _ in sentence.entities for i in range(begin, end)}
    return [token for i, token in enumerate(sentence.tokens) if i not in inside]


SWAPS = [name for name in TRANSFORMATIONS if name != "ConcatSent"]
TOKEN = st.text(st.characters(categories=["L", "N", "P", "M", "S"]), min_size=1, max_size=6)


@st.composite
def data_sets(draw):
    found = Reading()
    for number in range(draw(st.integers(1, 5))):
        tokens = draw(st.lists(TOKEN, min_size=1, max_size=8))
        spans = st.tuples(
            st.integers(0, len(tokens) - 1), st.integers(1, 3), st.sampled_from(["A", "B"])
        )
        entities = [
            (begin, min(len(tokens), begin + length), type_)
            for begin, length, type_ in draw(st.lists(spans, max_size=4))
        ]
        places = st.integers(0, max(0, len(entities) - 1))
        pairs = st.tuples(places, st.just("r"), places)
        triples = draw(st.lists(pairs, max_size=3 if entities else 0))
        found.add("d", number, tokens, entities, triples)
    return found


@examples(60)
@given(data=data_sets(), name=st.sampled_from(SWAPS), seed=st.integers(0, 3))
def test_swaps_change_entities_and_nothing_else(data, name, seed):
    pair = transform(name, data, seed)
    assert pair == transform(name, data, seed)
    assert len(pair.original) == len(pair.transformed)
    for before, after in zip(*pair, strict=True):
        assert before in data
        assert [type_ for *_, type_ in after.entities] == [type_ for *_, type_ in before.entities]
        assert after.triples == before.triples
        assert outside(after) == outside(before)
        assert after.tokens != before.tokens
        assert all(token and token.strip() == token for token in after.tokens)
        assert [after.text[b:e] for b, e in after.token_offsets] == after.tokens


@examples(40)
@given(data=data_sets())
def test_concatenation_keeps_all(data):
    pair = transform("ConcatSent", data)
    assert len(pair.original) == 2 * len(pair.transformed) == len(data) // 2 * 2
    for number, joined in enumerate(pair.transformed):
        parts = pair.original[2 * number : 2 * number + 2]
        assert joined.text == " ".join(part.text for part in parts)
        assert [joined.text[b:e] for b, e in joined.token_offsets] == joined.tokens
        for kind in ("entities", "triples", "tokens"):
            assert len(getattr(joined, kind)) == sum(len(getattr(part, kind)) for part in parts)
        said = [(words(joined, joined.entities[s]), r) for s, r, _ in joined.triples]
        assert said == [(words(p, p.entities[s]), r) for p in parts for s, r, _ in p.triples]


AMBIGUOUS = reading(
    ("Washington met Bell", [(0, 1, "PER"), (2, 3, "PER")], [(0, "met", 1)]),
    ("Washington and London", [(0, 1, "LOC"), (2, 3, "LOC")], []),
    ("Anna Bell , Jordan", [(0, 2, "PER"), (3, 4, "LOC")], []),
    ("Jordan and Acme", [(0, 1, "PER"), (2, 3, "ORG")], []),
)


def test_cross_category():
    """A name that bears the gold type here and another elsewhere, as in TextFlint."""
    lexicon = Lexicon(AMBIGUOUS)
    pair = transform("CrossCategory", AMBIGUOUS)
    assert len(pair.original) == 4
    for before, after in zip(*pair, strict=True):
        for old, new in zip(before.entities, after.entities, strict=True):
            name = tuple(words(after, new))
            assert new[2] in lexicon.types[name]
            # No organisation has a name that another type has.
            assert len(lexicon.types[name]) == (1 if old[2] == "ORG" else 2)
    # Names of one type each change nothing.
    assert not transform("CrossCategory", DATA).original


def test_swap_longer():
    pair = transform("SwapLonger", DATA)
    longer = 0
    for before, after in zip(*pair, strict=True):
        for old, new in zip(before.entities, after.entities, strict=True):
            if words(after, new) != words(before, old):
                longer += 1
                assert len(words(after, new)) > len(words(before, old))
                assert tuple(words(after, new)) in Lexicon(DATA).by_type[new[2]]
    assert longer >= 5


def test_made_up_words_are_in_no_vocabulary():
    lexicon = Lexicon(DATA)
    pair = transform("OOV", DATA)
    assert len(pair.original) == 4
    for before, after in zip(*pair, strict=True):
        for old, new in zip(before.entities, after.entities, strict=True):
            assert len(words(after, new)) == len(words(before, old))
            assert not {w.casefold() for w in words(after, new)} & lexicon.words


def test_typos_are_one_slip():
    for before, after in zip(*transform("EntTypos", DATA), strict=True):
        for old, new in zip(before.entities, after.entities, strict=True):
            pairs = zip(words(before, old), words(after, new), strict=True)
            slips = [(a, b) for a, b in pairs if a != b]
            assert len(slips) <= 1
            for a, b in slips:
                assert abs(len(a) - len(b)) <= 1
                if len(a) == len(b):
                    assert sorted(a) == sorted(b)


def test_numbers_dates_and_capitals_stay_what_they_are():
    rng = random.Random(7)
    lexicon = Lexicon(AMBIGUOUS)
    for _ in range(50):
        month, day, comma, year = lexicon.unknown(rng, ["June", "30", ",", "1990"], "TIME")
        assert (month, comma) == ("June", ",")
        assert 13 <= int(day) <= 28
        assert 1000 <= int(year) <= 2099
        (decade,) = lexicon.unknown(rng, ["1990s"], "TIME")
        assert decade.endswith("s")
        assert decade[:4].isdigit()
        (amount,) = lexicon.unknown(rng, ["12,500"], "NUM")
        assert amount[-4] == ","
        assert 1 <= int(lexicon.unknown(rng, ["May", "05"], "TIME")[1]) <= 12
        shout, low = lexicon.unknown(rng, ["NATO", "forces"], "ORG")
        assert shout.isupper()
        assert low.islower()
    assert lexicon.unknown(rng, ["Monday"], "TIME") is None


def test_typos_stay_in_the_script_and_spare_the_first_letter():
    mixed = reading(
        ("Zürich , 日本東京 and Москва", [(0, 1, "L"), (2, 3, "L"), (4, 5, "L")], []),
    )
    rng = random.Random(3)
    lexicon = Lexicon(mixed)
    for name, letters in (("Zürich", "LATIN"), ("日本東京", "CJK"), ("Москва", "CYRILLIC")):
        slips = {lexicon.typo(rng, [name], "L")[0] for _ in range(200)}
        assert len(slips) > 10
        for slip in slips:
            assert slip[0] == name[0]
            assert {unicodedata.name(c).split()[0].partition("-")[0] for c in slip} == {letters}


def test_another_seed_is_another_text():
    texts = {tuple(s.text for s in transform("OOV", DATA, seed).transformed) for seed in range(4)}
    assert len(texts) == 4


def test_unknown_name():
    with pytest.raises(ValueError, match="name is 'Swap', not one of ConcatSent, CrossCategory"):
        transform("Swap", DATA)


def test_before_and_after(tiny_extractor):
    pairs = {name: transform(name, DATA) for name in TRANSFORMATIONS}
    pairs["CrossCategory"] = transform("CrossCategory", AMBIGUOUS)
    found = robustness(tiny_extractor, pairs)
    assert list(found) == [*TRANSFORMATIONS, "average"]
    rows = [found[name]["entity"] for name in TRANSFORMATIONS]
    for row in rows:
        assert row["decline"] == row["before"] - row["after"]
    assert max(row["before"] for row in rows) > 0
    mean = sum(row["decline"] for row in rows) / 5
    assert found["average"]["entity"]["decline"] == pytest.approx(mean)
    assert found["OOV"]["sentences"] == 4


def spert(sentences):
    return json.dumps(
        [
            {
                "tokens": s.tokens,
                "entities": [{"start": b, "end": e, "type": t} for b, e, t in s.entities],
                "relations": [{"head": h, "type": r, "tail": t} for h, r, t in s.triples],
            }
            for s in sentences
        ]
    )


def test_the_command(tiny_model, tmp_path, capsys):
    (tmp_path / "data.json").write_text(spert(DATA))
    pair = transform("SwapLonger", DATA)
    for name, sentences in zip(("original", "transformed"), pair, strict=True):
        (tmp_path / f"{name}.json").write_text(spert(sentences))
    command = ["evaluate", "--model", str(tiny_model), "--format", "spert"]
    assert main([*command, "--data", str(tmp_path / "data.json"), "--robustness"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[-4:] == ["before", "after", "decline", "sentences"]
    # No name of the data has two types.
    changes = [name for name in TRANSFORMATIONS if name != "CrossCategory"]
    assert [line.split()[0] for line in table[1:]] == [*changes, "average"]
    files = [str(tmp_path / f"{name}.json") for name in ("original", "transformed")]
    assert main([*command, "--json", "--robustness", *files]) == 0
    ours = json.loads(capsys.readouterr().out)
    assert ours["transformed"]["entity"]["decline"] == ours["average"]["entity"]["decline"]
    # The same pair made here or read from files gives the same row.
    assert f"{100 * ours['transformed']['entity']['after']:.1f}" == table[4].split()[2]
    (tmp_path / "none.json").write_text(spert([DATA[2]]))
    assert main([*command, "--data", str(tmp_path / "none.json"), "--robustness"]) == 2
    assert "has nothing to change" in capsys.readouterr().err


def dygie(sentences, **fields):
    """One document of DyGIE's format that is named by other fields than `doc_key`."""
    ner, start = [], 0
    for sentence in sentences:
        ner.append([[start + b, start + e - 1, type_] for b, e, type_ in sentence.entities])
        start += len(sentence.tokens)
    tokens = [sentence.tokens for sentence in sentences]
    return json.dumps({**fields, "sentences": tokens, "ner": ner, "relations": [[] for _ in ner]})


def test_several_pairs_of_textflint_files_are_one_table(tiny_model, tmp_path, capsys):
    files = []
    for name in ("SwapLonger", "OOV", "OOV"):
        folder = tmp_path / str(len(files))
        folder.mkdir()
        pair = transform(name, DATA, len(files))
        for kind, sentences in zip(("ori", "trans"), pair, strict=True):
            path = folder / f"{kind}_{name}.json"
            path.write_text(dygie(sentences, sample_id=3))
            files.append(str(path))
    command = ["evaluate", "--model", str(tiny_model), "--format", "dygie"]
    assert main([*command, "--robustness", *files, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows) == ["trans_SwapLonger", "trans_OOV", "trans_OOV 2", "average"]
    declines = [row["entity"]["decline"] for row in rows.values()]
    assert declines[3] == pytest.approx(sum(declines[:3]) / 3)
    assert main([*command, "--robustness", *files[:3]]) == 2
    assert "takes pairs of files" in capsys.readouterr().err
    unnamed = tmp_path / "unnamed.json"
    unnamed.write_text(dygie(DATA))
    assert main([*command, "--data", str(unnamed)]) == 2
    assert "record 1: field doc_key: is missing" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["ab", "AA", "bell", "Zürich"])
def test_all_slips_are_made(word):
    """A swap, a loss or one letter more, and nothing else."""
    rng = random.Random(word)
    letters = "xyz"
    lexicon = Lexicon(reading((f"{letters} .", [(0, 1, "T")], [])))
    swapped = {
        word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        for i in range(1, len(word) - 1)
        if word[i] != word[i + 1]
    }
    deleted = {word[:i] + word[i + 1 :] for i in range(1, len(word))}
    added = {word[:i] + x + word[i:] for i in range(1, len(word)) for x in letters}
    made = [lexicon.typo(rng, ["1", word, "."], "T") for _ in range(60)]
    assert all((first, last) == ("1", ".") for first, _, last in made)
    slips = {slip for _, slip, _ in made}
    assert slips <= swapped | deleted | added
    assert slips & added
    assert slips & deleted
    assert slips & swapped or not swapped
