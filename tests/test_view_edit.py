"""Corrections that the pages of `pfn-kg view --edit` send."""

import json

from helpers.view_graphs import view_folder
from helpers.view_server import viewing
from pfn_kg.pipeline.correction_files import read_corrections


def test_corrections_of_entities(tmp_path):
    path = view_folder(tmp_path / "run")
    with viewing(path, "--edit", "--corrections", str(tmp_path / "mine.csv")) as server:
        ada = {"name": "Ada Lovelace", "type": "PER"}
        wrong = [
            ([], "not a mapping"),
            ({"kind": "nonsense"}, "kind"),
            ({"kind": "rename", **ada}, "new_name"),
            ({"kind": "retype", **ada, "new_type": "ALIEN"}, "no type is called 'ALIEN'"),
            ({"kind": "rename", "name": "x", "type": "PER", "new_name": " "}, "new_name"),
        ]
        for body, reason in wrong:
            answer = server.ask("/api/corrections", "POST", body=body)
            assert answer.status == 400, body
            assert reason in answer.json["error"]
        for body, headers in [(b"{", {}), (b"kind=reject", {"Content-Type": "text/plain"})]:
            answer = server.ask("/api/corrections", "POST", body=body, headers=headers)
            assert answer.status == 400
            assert "not JSON" in answer.json["error"]
        rename = {"kind": "rename", **ada, "new_name": "Ada King"}
        first = server.ask("/api/corrections", "POST", body=rename).json["correction_id"]
        apart = {"kind": "keep_apart", **ada, "other_name": "London", "other_type": "LOC"}
        server.ask("/api/corrections", "POST", body=apart)
        listed = server.ask("/api/corrections").json
        assert [row["kind"] for row in listed["rows"]] == ["rename", "keep_apart"]
        assert (tmp_path / "mine.csv").read_text().startswith("kind,subject")
        assert server.ask(f"/api/corrections/{first}", "DELETE").json == {"withdrawn": 1}
        assert server.ask(f"/api/corrections/{first}", "DELETE").status == 404
        assert [row["kind"] for row in server.ask("/api/corrections").json["rows"]] == [
            "keep_apart"
        ]


def test_corrections_that_a_graph_has_are_kept(tmp_path):
    line = {
        "kind": "confirm", "subject": "Ada Lovelace", "subject_type": "PER",
        "relation": "place of birth", "object": "London", "object_type": "LOC", "author": "Joan",
    }  # fmt: skip
    (tmp_path / "before.jsonl").write_text(json.dumps(line) + "\n")
    path = view_folder(tmp_path / "run", corrections=str(tmp_path / "before.jsonl"))
    with viewing(path, "--edit") as server:
        (row,) = server.ask("/api/corrections").json["rows"]
        assert (row["author"], row["is_built"], row["reason"]) == ("Joan", True, None)
        judged = server.ask("/api/overview").json["judged"]
        assert judged["text"].startswith("of 1 fact judged")
        entity = server.ask("/api/search?q=lovelace").json["rows"][0]["id"]
        facts = server.ask(f"/api/entities/{entity}/facts?direction=out").json["rows"]
        assert facts[0]["confidence"] == 1
        mark = server.ask(f"/api/facts/{facts[0]['id']}").json["correction"]
        assert (mark["kind"], mark["author"]) == ("confirm", "Joan")
        rename = {"kind": "rename", "name": "Łódź", "type": "LOC", "new_name": "Lodsch"}
        server.ask("/api/corrections", "POST", body=rename)
        assert [c.kind for c in read_corrections(f"{path}/corrections.jsonl")] == [
            "confirm",
            "rename",
        ]
