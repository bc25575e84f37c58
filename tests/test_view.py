"""`pfn-kg view` and `pfn-kg report`: address, token, answers, options, the page to send."""

import base64
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys

import pytest

from helpers.corpora import ROOT
from helpers.view_graphs import MARKUP, view_folder
from helpers.view_server import viewing
from pfn_kg.pipeline.cli import main
from pfn_kg.pipeline.view import libraries
from pfn_kg.pipeline.view.app import STATIC


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return view_folder(tmp_path_factory.mktemp("view") / "run")


@pytest.fixture(scope="module")
def server(folder):
    with viewing(folder) as server:
        yield server


def said(capsys, *arguments):
    """Calls what must be refused; gives the one line that it says."""
    assert main(list(map(str, arguments))) == 2
    lines = capsys.readouterr().err
    assert lines.count("\n") == 1
    return lines


# Who may ask


def test_it_listens_on_this_machine_alone(server):
    assert server.address.startswith(f"http://127.0.0.1:{server.port}/?token=")
    with socket.socket() as other:
        # Another address of this machine, where nothing listens.
        assert other.connect_ex(("127.0.0.2", server.port)) != 0


def test_without_the_token_nothing_is_told(server):
    for path in ("/", "/app.js", "/api/overview", "/?token=wrong", "/nowhere"):
        for headers in ({}, {"Cookie": f"pfn-kg-view-{server.port}=wrong"}):
            answer = server.ask(path, token=False, headers=headers)
            assert answer.status == 403
            assert b"token" in answer.body
    assert server.ask("/", token=False, headers={"Authorization": "Bearer ü"}).status == 403


def test_the_address_gives_a_cookie_and_loses_the_token(server):
    answer = server.ask(f"/?token={server.token}", token=False)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()
    headers = {"Cookie": cookie.partition(";")[0]}
    assert server.ask("/", token=False, headers=headers).status == 200
    assert server.ask("/api/state", token=False, headers=headers).status == 200
    # Another site that sends the cookie along writes nothing.
    for origin in ({}, {"Origin": "https://evil.example"}):
        assert (
            server.ask("/api/reload", "POST", token=False, headers=headers | origin).status == 403
        )
    own = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert server.ask("/api/reload", "POST", token=False, headers=headers | own).status == 200


def test_a_name_that_leads_here_is_not_enough(server):
    assert server.ask("/api/state", headers={"Host": "evil.example"}).status == 421
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1"):
        assert server.ask("/api/state", headers={"Host": host}).status == 200


def test_nothing_comes_from_elsewhere(server):
    for path in ("/", "/api/overview", "/nowhere"):
        policy = server.ask(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
    for name in ("index.html", "app.css", "report.html"):
        content = (STATIC / name).read_text(encoding="utf-8")
        assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(https?:)?//", content)
    page = server.ask("/").body.decode()
    for name in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert server.ask(f"/{name}").status == 200


def test_the_pages_hold_no_file_of_the_machine(server):
    for path in ("/../app.py", "/static/../app.py", "/%2e%2e/app.py", "/app.py"):
        assert server.ask(path).status == 404


# Answers


def test_answers(server):
    found = server.ask("/api/search?q=lovelace").json["rows"][0]
    assert found["name"] == "Ada Lovelace"
    page = server.ask(f"/api/entities/{found['id']}").json
    assert page["facts_out"] == 3
    facts = server.ask(f"/api/entities/{found['id']}/facts?direction=out&limit=2").json
    assert (facts["total"], len(facts["rows"])) == (3, 2)
    filtered = server.ask(
        f"/api/entities/{found['id']}/facts?relation=spouse&relation=date%20of%20birth"
    )
    assert [row["predicate"] for row in filtered.json["rows"]] == ["date of birth"]
    fact = server.ask(f"/api/facts/{facts['rows'][0]['id']}").json
    assert fact["subject"]["id"] == found["id"]
    assert server.ask("/api/documents/more/ada").json["title"] == "More of Ada"
    assert server.ask("/api/documents/more%2Fada").json["title"] == "More of Ada"
    assert [d["id"] for d in server.ask("/api/documents?q=more").json] == ["more/ada"]
    assert server.ask(f"/api/neighbourhood/{found['id']}").json["center"] == found["id"]
    assert server.ask("/api/rejected").json[0]["error"] == "empty text"
    assert len(server.ask("/api/sample?limit=3").json) == 3
    assert len(server.ask("/api/best").json) > 0
    assert server.ask("/api/state").json["edit"] is False


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/api/entities/nowhere", 404, "entity nowhere"),
        ("/api/facts/nowhere", 404, "fact nowhere"),
        ("/api/documents/nowhere", 404, "document nowhere"),
        ("/api/neighbourhood/nowhere", 404, "entity nowhere"),
        ("/api/search?limit=many", 400, "limit: 'many' is not a whole number"),
        ("/api/neighbourhood/x?min_confidence=2", 400, "'2' is not between 0 and 1"),
        ("/api/neighbourhood/x?min_confidence=nan", 400, "'nan' is not between 0 and 1"),
        ("/api/neighbourhood/x?since=yesterday", 400, "since: 'yesterday' is not a year"),
    ],
)
def test_wrong_questions(server, path, status, reason):
    answer = server.ask(path)
    assert answer.status == status
    assert reason in answer.json["error"]


def test_it_only_reads(server):
    assert server.ask("/api/corrections").status == 404
    assert server.ask("/api/corrections", "POST", body={"kind": "reject"}).status == 404
    assert server.ask("/api/rebuild", "POST").status == 404
    assert server.ask("/api/overview", "POST").status == 405


def test_a_new_build_is_told_and_shown(tmp_path):
    from pfn_kg.pipeline.build_phase import BuildOptions, run_build

    path = view_folder(tmp_path / "run")
    with viewing(path) as server:
        before = server.ask("/api/overview").json
        assert server.ask("/api/state").json["is_current"] is True
        run_build(path, BuildOptions(relation_threshold=0.75))
        assert server.ask("/api/state").json["is_current"] is False
        assert server.ask("/api/overview").json == before
        assert server.ask("/api/reload", "POST").json["is_current"] is True
        after = server.ask("/api/overview").json
        assert after["counts"]["facts"] < before["counts"]["facts"]


# The command


def test_it_ends_when_it_is_interrupted(folder):
    with viewing(folder) as server:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(300) == 130


def test_a_fixed_port_and_one_that_is_taken(folder, server, capsys):
    line = said(capsys, "view", folder, "--port", server.port)
    assert f"--port: 127.0.0.1:{server.port} can't be listened on" in line


def test_other_addresses_are_said(folder):
    with viewing(folder, "--host", "0.0.0.0") as server:
        assert server.process.stdout is not None
        assert "Whoever reaches this machine" in server.process.stdout.readline()
        assert server.ask("/api/state", headers={"Host": "my-machine:80"}).status == 200
        assert server.ask("/api/state", token=False).status == 403


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("/nowhere",), "/nowhere: no manifest.json there"),
        (("gs://bucket/run",), "not on this machine"),
        (("DIR", "--author", "me"), "--author: only together with --edit"),
        (("DIR", "--corrections", "x.csv"), "--corrections: only together with --edit"),
        (("DIR", "--host", "http://x"), "--host: give an address such as"),
        (("DIR", "--host", "no.such.host.example"), "--host: no.such.host.example:0 can't be"),
        (("DIR", "--port", "70000"), "--port: 70000 is not between 0 and 65535"),
    ],
)
def test_wrong_calls(folder, capsys, arguments, line):
    if arguments[0].startswith("gs:"):
        pytest.importorskip("google.cloud.storage", reason="needs the extra gcp")
    given = [folder if argument == "DIR" else argument for argument in arguments]
    assert line in said(capsys, "view", *given)


@pytest.mark.parametrize("command", ["view", "report"])
def test_a_missing_library_is_named(folder, capsys, monkeypatch, command):
    real = libraries.find_spec
    monkeypatch.setattr(libraries, "find_spec", lambda n: None if n == "duckdb" else real(n))
    line = said(capsys, command, folder)
    assert "duckdb is not installed; install it by `pip install 'duckdb" in line
    assert "'.[view]'" in line


def test_help_loads_no_library():
    code = (
        "import sys; from pfn_kg.pipeline.cli import main; main(['view', '--help']); "
        "sys.exit(any(name in sys.modules for name in ('duckdb', 'starlette', 'uvicorn')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True)


# The page to send


def test_a_report_needs_nothing_beside_it(folder, tmp_path, capsys):
    path = tmp_path / "graph.html"
    arguments = ["report", folder, "--output", str(path), "--facts", "3", "--sample", "4"]
    assert main(arguments) == 0
    assert str(path) in capsys.readouterr().out
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", page)
    # The policy allows the one style and the one script by their hashes, and nothing else.
    (policy,) = re.findall(r'content="(default-src [^"]*)"', page, re.DOTALL)
    for tag in ("style", "script"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    (data,) = re.findall(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert "<" not in data
    found = json.loads(data)
    assert len(found["best"]) == 3
    assert len(found["sample"]) == 4
    assert MARKUP in json.dumps(found, ensure_ascii=False)
    assert MARKUP not in page
    before = path.read_bytes()
    assert main(arguments) == 0
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["graph.html"]


def test_a_report_that_can_not_be_written(folder, tmp_path, capsys):
    line = said(capsys, "report", folder, "--output", tmp_path / "nowhere" / "x.html")
    assert "--output:" in line
    assert "can't be written: No such file or directory" in line
