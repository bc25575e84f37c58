"""The documentation: its pages are in the navigation, and what they name in the code is there."""

import re

import pytest
import yaml

from helpers.corpora import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
#: README, contributor's pages and the site's.
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "RELEASING.md", *PAGES]
CODE_FOLDERS = (
    "pfn",
    "pipeline",
    "schemas",
    "sinks",
    "transforms",
    "examples",
    "benchmarks",
    "tests",
)


def navigation(entries):
    for entry in entries:
        (target,) = entry.values()
        if isinstance(target, str):
            yield target
        else:
            yield from navigation(target)


def test_every_page_is_in_the_navigation_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    named = list(navigation(site["nav"]))
    assert len(named) == len(set(named))
    assert set(named) == {page.relative_to(DOCS).as_posix() for page in PAGES}


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_files_that_a_page_names_are_there(text):
    named = re.findall(rf"`((?:{'|'.join(CODE_FOLDERS)})/[\w./-]*)`", text.read_text("utf-8"))
    missing = [name for name in named if "..." not in name and not (ROOT / name).exists()]
    assert not missing


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_somewhere(text):
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text.read_text("utf-8"))
    assert not [link for link in links if not (text.parent / link).exists()]


def test_the_paper_is_mapped_to_code_that_is_there():
    page = (DOCS / "background" / "paper.md").read_text(encoding="utf-8")
    equations = page[: page.index("## Sections")]
    numbers = re.findall(r"^\| (\d+) \|", equations, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, 14)]
    found = 0
    for row in page.splitlines():
        source = ""
        for name in re.findall(r"`([^`]+)`", row):
            if re.fullmatch(r"[\w/]+\.py", name):
                source = (ROOT / name).read_text(encoding="utf-8")
            elif source and re.fullmatch(r"[A-Za-z_]\w*(\.\w+)?", name):
                found += 1
                for part in name.split("."):
                    assert re.search(rf"\b{part}\b", source), f"{row}\n{part}"
    assert found > 30
