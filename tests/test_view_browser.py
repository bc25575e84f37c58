"""The pages of `pfn-kg view` and `pfn-kg report` in a real browser.

They skip where there is no Chromium: that of Debian, Chrome, or one that `playwright install
chromium` put there.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.corpora import ROOT
from helpers.output_folders import read_manifest, table_rows
from helpers.view_graphs import ARABIC, MARKUP, TURNED, view_folder
from helpers.view_server import viewing
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.correction_files import read_corrections
from pfn_kg.pipeline.view.app import STATIC

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = Path("node_modules") / "axe-core" / "axe.min.js"
# A machine that does other work too is slow.
WAIT_MS = 60_000
BUILD_MS = 400_000


@pytest.fixture(scope="module")
def browser():
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        try:
            # Root, as in containers, has no sandbox.
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except sync_api.Error as error:
            pytest.skip(f"no browser: {str(error).splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return view_folder(tmp_path_factory.mktemp("view") / "run")


@pytest.fixture(scope="module")
def server(folder):
    with viewing(folder) as server:
        yield server


@pytest.fixture
def new_page(browser):
    """Makes pages; fails if one has an error, asks elsewhere, or shows a dialog."""
    contexts, problems, asked = [], [], set()

    def make(**options):
        context = browser.new_context(**options)
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.on("dialog", lambda dialog: problems.append(dialog.message) or dialog.dismiss())
        page.on("request", lambda request: asked.add(request.url))
        return page

    yield make
    for context in contexts:
        context.close()
    assert problems == []
    elsewhere = [
        url for url in asked if not re.match(r"http://127\.0\.0\.1:|file:|data:|blob:", url)
    ]
    assert elsewhere == []


@pytest.fixture
def page(new_page, server):
    page = new_page()
    page.goto(server.address)
    page.wait_for_selector("h1")
    return page


def show(page, address):
    """Opens an address; comes back when its page has all its data."""
    page.goto(address)
    page.wait_for_selector("h1")
    # Parts of a page say so until they have theirs.
    sync_api.expect(page.locator(".loading")).to_have_count(0)


def find(page, text):
    """Searches as people do; opens the first that is found."""
    page.keyboard.press("/")
    page.keyboard.type(text)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")


def heading(page, text):
    page.get_by_role("heading", level=1, name=text).wait_for()


def test_from_a_name_to_its_facts_and_documents(page):
    heading(page, "run")
    find(page, "lovlace")  # misspelt
    heading(page, "Ada Lovelace")
    page.get_by_role("button", name=re.compile("evidence of date of birth 1815")).click()
    page.get_by_role("link", name="All about this fact").click()
    page.get_by_text("Evidence", exact=True).wait_for()
    assert "is-subject" in page.locator("mark", has_text="Ada Lovelace").first.get_attribute(
        "class"
    )
    assert page.locator("mark.is-object").last.inner_text().startswith("1815")
    page.locator(".evidence-item").get_by_role("link", name="Ada", exact=True).click()
    heading(page, "Ada")
    mention = page.locator(".text a", has_text="Łódź")
    assert "LOC" in mention.get_attribute("title")
    assert (
        page.get_by_role("link", name="source").get_attribute("href") == "https://example.org/ada"
    )
    mention.click()
    heading(page, "Łódź")


def test_the_address_has_no_token_and_can_be_kept(page, server):
    find(page, "lovelace")
    heading(page, "Ada Lovelace")
    assert server.token not in page.url
    page.reload()
    heading(page, "Ada Lovelace")


@pytest.mark.parametrize("name", [MARKUP, "EvilRLO Ltd", ARABIC])
def test_names_stay_text(page, name):
    find(page, name[:14])
    heading(page, name)
    assert page.locator("h1 img, h1 script").count() == 0
    assert page.locator("h1 bdi").count() == 1


def test_texts_stay_text(page):
    page.goto(page.url.partition("#")[0] + "#/document/markup")
    heading(page, f"About {MARKUP}")
    text = page.locator(".text").inner_text()
    assert MARKUP in text
    assert TURNED in text
    # Each mention is isolated, so that one which turns the direction turns itself alone.
    assert page.locator(".text a").count() == page.locator(".text a > bdi").count() == 6
    page.goto(page.url.partition("#")[0] + "#/document/more%2Fada")
    heading(page, "More of Ada")
    assert page.get_by_role("link", name="source").count() == 0  # javascript: is no link
    page.goto(page.url.partition("#")[0] + "#/rejected")
    page.locator("td", has_text="<b>payload</b>").wait_for()


def test_facts_are_filtered(page):
    find(page, "london")
    heading(page, "London")
    rows = page.locator(".facts > li")
    page.get_by_text("Filter facts").click()
    rows.first.wait_for()
    before = rows.count()
    page.get_by_label("to", exact=True).fill("2003")
    page.get_by_label("to", exact=True).press("Enter")
    page.get_by_text("No such facts.").first.wait_for()
    assert "until=2003" in page.url
    page.get_by_role("button", name="Clear the filter").click()
    sync_api.expect(rows).to_have_count(before)


def test_a_walk_by_keys(page):
    find(page, "lovelace")
    page.get_by_role("link", name="Walk the graph").click()
    heading(page, "Neighbourhood")
    page.get_by_role("region", name="Entities of the picture").get_by_text("Łódź").wait_for()
    before = page.locator(".entity-button").count()
    picture = page.get_by_role("application")
    picture.focus()
    page.keyboard.press("ArrowRight")
    chosen = page.locator(".graph-note .entity")
    assert chosen.inner_text().startswith("Ada Lovelace")
    for key in ("ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp") * 2:
        page.keyboard.press(key)
        if not chosen.inner_text().startswith("Ada Lovelace"):
            break
    assert not chosen.inner_text().startswith("Ada Lovelace")
    page.get_by_role("button", name="Add the neighbours of London").click()
    page.get_by_role("status").filter(has_text="of London added").wait_for()
    sync_api.expect(page.locator(".entity-button")).not_to_have_count(before)
    assert page.locator(".entity-button").count() > before
    # The picture itself is drawn, not only listed; the browser draws when it has time.
    drawn = """() => [...document.querySelectorAll('.graph-canvas canvas')].some((canvas) =>
        canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
            .data.some((value) => value > 0))"""
    for _ in range(WAIT_MS // 50):
        if page.evaluate(drawn):
            break
        page.wait_for_timeout(50)
    assert page.evaluate(drawn)


def test_light_and_dark(new_page, server):
    page = new_page(color_scheme="dark")
    page.goto(server.address)
    page.wait_for_selector("h1")
    # Assertions that wait: the page's policy forbids `wait_for_function`, which evaluates text.
    body = sync_api.expect(page.locator("body"))
    body.to_have_css("background-color", "rgb(16, 19, 24)")
    page.get_by_role("button", name="Show the page light").click()
    body.to_have_css("background-color", "rgb(246, 247, 249)")
    page.reload()
    page.wait_for_selector("h1")
    body.to_have_css("background-color", "rgb(246, 247, 249)")


PAGES = ["overview", "entity", "fact", "document/ada", "graph", "search?q=a", "facts?sample=0"]


def addresses(server):
    """The pages of one entity and one fact among all kinds of pages."""
    entity = server.ask("/api/search?q=lovelace").json["rows"][0]["id"]
    rows = server.ask(f"/api/entities/{entity}/facts?direction=out").json["rows"]
    ids = {"entity": entity, "graph": entity, "fact": rows[0]["id"]}
    return [f"{name}/{ids[name]}" if name in ids else name for name in [*PAGES, "rejected"]]


def test_a_narrow_screen(new_page, server):
    page = new_page(viewport={"width": 360, "height": 740})
    page.goto(server.address)
    for address in addresses(server):
        show(page, server.address + f"#/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address


@pytest.fixture(scope="module")
def web():
    """What `.ci/web --check` said; it leaves what the pages are built with in `build/web`."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    done = subprocess.run([ROOT / ".ci" / "web", "--check"], capture_output=True, text=True)
    if "npm" in done.stderr and done.returncode != 0 and not done.stdout:
        pytest.skip(f"npm could not install: {done.stderr[-300:]}")
    return done


@pytest.fixture(scope="module")
def axe(web):
    """axe-core, as the sources of the pages have it among what they are built with."""
    return (ROOT / "build" / "web" / AXE).read_text(encoding="utf-8")


def faults(page, axe):
    """What axe-core calls serious or critical, in short."""
    page.evaluate(axe)
    found = page.evaluate("axe.run(document)")
    return [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(new_page, server, axe, scheme):
    page = new_page(color_scheme=scheme)
    for address in addresses(server):
        show(page, server.address + f"#/{address}")
        for summary in page.locator("main summary").all():
            summary.click()
        assert faults(page, axe) == [], address


def test_the_bundle_is_that_of_its_sources(web):
    assert web.returncode == 0, web.stdout[-2000:] + web.stderr[-2000:]
    licences = (STATIC / "licences.txt").read_text(encoding="utf-8")
    assert re.findall(r"^(\S+) [\d.]+ \((\S+)\)$", licences, re.MULTILINE) == [
        ("cose-base", "MIT"),
        ("cytoscape", "MIT"),
        ("cytoscape-fcose", "MIT"),
        ("layout-base", "MIT"),
        ("preact", "MIT"),
    ]


# Corrections


def test_a_fact_is_rejected_and_gone(new_page, tmp_path):
    path = view_folder(tmp_path / "run", relation_threshold=0.55)
    with viewing(path, "--edit", "--author", "Mary") as server:
        page = new_page()
        page.goto(server.address)
        heading(page, "run")
        find(page, "lovelace")
        heading(page, "Ada Lovelace")
        page.get_by_role("button", name=re.compile("evidence of place of birth Łódź")).click()
        page.get_by_role("button", name="Reject").click()
        page.get_by_text("Rejected at the next build").first.wait_for()
        (correction,) = read_corrections(f"{path}/corrections.jsonl")
        assert (correction.kind, correction.author) == ("reject", "Mary")
        assert (correction.subject, correction.object) == ("Ada Lovelace", "Łódź")
        page.get_by_role("link", name=re.compile("Corrections 1")).click()
        page.get_by_role("button", name="Build the graph again").click()
        page.get_by_text("Built.").wait_for(timeout=BUILD_MS)
        page.get_by_text("in the graph", exact=False).first.wait_for()
        find(page, "lovelace")
        heading(page, "Ada Lovelace")
        page.get_by_role("link", name="London").first.wait_for()
        assert page.get_by_role("link", name="Łódź").count() == 0
        # All else is as before, the options of the build too.
        assert server.ask("/api/state").json["is_current"] is True
        assert read_manifest(path)["build"]["options"]["relation_threshold"] == 0.55
        names = {r["entity_id"]: r["name"] for r in table_rows(path, "entities")}
        objects = {names[r["object_id"]] for r in table_rows(path, "relations")}
        assert objects == {"London", "1815", "Ada Lovelace"}


# The page to send


def test_a_report_is_judged_and_saved(new_page, folder, tmp_path, axe):
    path = tmp_path / "graph.html"
    assert main(["report", folder, "--output", str(path), "--sample", "3"]) == 0
    page = new_page(viewport={"width": 360, "height": 740}, accept_downloads=True)
    page.goto(path.as_uri())
    heading(page, "run")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    # The policy of the page lets no other script in, this one neither.
    page.get_by_label("right").first.check()
    page.get_by_label("wrong").last.check()
    page.get_by_label("Your name").fill("Grace")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the judgements").click()
    saved = tmp_path / "corrections.jsonl"
    download.value.save_as(saved)
    corrections = read_corrections(str(saved))
    assert [(c.kind, c.author) for c in corrections] == [("confirm", "Grace"), ("reject", "Grace")]
    assert faults(page, axe) == []
