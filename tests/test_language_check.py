"""Documents in another language than expected: counted, named, and read all the same."""

import importlib.util

import pytest

from helpers.corpora import extracted, write_corpus
from helpers.output_folders import read_manifest
from pfn_kg.pipeline.cli import main
from pfn_kg.schemas.extract_options import ExtractOptions
from pfn_kg.transforms.extraction.language_check import other_language

ENGLISH = (
    "The company was founded in 1990 and has about three hundred employees. Its office is in the "
    "old town, next to the railway station and the market."
)
GERMAN = (
    "Die Firma wurde 1990 gegründet und hat ungefähr dreihundert Angestellte. Ihr Büro liegt in "
    "der Altstadt, neben dem Bahnhof und dem Markt."
)
FRENCH = (
    "L'entreprise a été fondée en 1990 et compte environ trois cents employés. Son bureau se "
    "trouve dans la vieille ville, près de la gare et du marché."
)
NORWEGIAN = (
    "Firmaet ble grunnlagt i 1990 og har omtrent tre hundre ansatte. Kontoret ligger i gamlebyen, "
    "ved siden av jernbanestasjonen og torget, og er åpent hver dag."
)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        (ENGLISH, "en", None),
        (ENGLISH, "en-GB", None),
        (GERMAN, "en", "de"),
        (FRENCH, "en", "fr"),
        (FRENCH, "fr", None),
        (ENGLISH, "de", "en"),
        (NORWEGIAN, "nb", None),
        # Too short to tell, and of no language.
        (GERMAN[:60], "en", None),
        ("for (int i = 0; i < n; i++) { x[i] += a[i] * b[i]; } // " * 4, "en", None),
        ("1. 2. 3. 4. 5. 6. 7. 8. 9. " * 10, "en", None),
        (
            "Rome, Oslo, Bergen, Trondheim, Paris, London, Lisbon. " * 3,
            "en",
            None,
        ),
    ],
)
def test_other_languages(text, language, found):
    assert other_language(text, language) == found


def extract(corpus, output, model, *more):
    return main(["extract", str(corpus), "--output", str(output), "--model", str(model), *more])


def test_documents_are_counted_and_read(tiny_model, tmp_path, capsys):
    corpus = write_corpus(tmp_path / "a.parquet", [ENGLISH, GERMAN, FRENCH, GERMAN + " Ja."])
    assert extract(corpus, tmp_path / "checked", tiny_model, "--check-language") == 0
    said = capsys.readouterr().err
    assert "3 of 4 documents are not in en (2 in de, 1 in fr): do not trust their facts" in said
    counts = read_manifest(tmp_path / "checked")["extract"]["counts"]
    assert counts["other_language"] == 3
    assert (counts["other_language.de"], counts["other_language.fr"]) == (2, 1)
    assert counts["documents"] == 4
    # Without the option nothing else differs, and the files have the names that they always had.
    assert extract(corpus, tmp_path / "plain", tiny_model) == 0
    assert "not in en" not in capsys.readouterr().err
    assert "other_language" not in read_manifest(tmp_path / "plain")["extract"]["counts"]
    assert extracted(tmp_path / "plain") == extracted(tmp_path / "checked")


@pytest.mark.parametrize("began", [False, True])
def test_a_run_goes_on_as_it_began(tiny_model, tmp_path, capsys, began):
    corpus = write_corpus(tmp_path / "a.parquet", [ENGLISH])
    flag = {False: [], True: ["--check-language"]}
    assert extract(corpus, tmp_path / "out", tiny_model, *flag[began]) == 0
    again = ["--resume", *flag[not began]]
    assert extract(corpus, tmp_path / "out", tiny_model, *again) == 2
    assert f"--check-language: {not began}, but the run in" in capsys.readouterr().err
    assert extract(corpus, tmp_path / "out", tiny_model, "--resume", *flag[began]) == 0


@pytest.mark.quick
def test_files_depend_on_the_check_only_where_there_is_one():
    options = ExtractOptions.from_dict({"corpus": ["x"], "output": "y"})
    assert "check_language" not in options.what_extractions_depend_on()
    assert options.changed(check_language=True).what_extractions_depend_on()["check_language"]


@pytest.mark.quick
def test_what_cannot_be_checked(tiny_model, tmp_path, capsys, monkeypatch):
    corpus = write_corpus(tmp_path / "a.parquet", [ENGLISH])
    more = ["--check-language", "--language", "tlh"]
    assert extract(corpus, tmp_path / "out", tiny_model, *more) == 2
    assert "--check-language: py3langid does not know the --language 'tlh'" in (
        capsys.readouterr().err
    )
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "pfn_kg.transforms.extraction.language_check.find_spec",
        lambda name: None if name == "py3langid" else real(name),
    )
    assert extract(corpus, tmp_path / "out", tiny_model, "--check-language") == 2
    assert "py3langid is not installed" in capsys.readouterr().err
