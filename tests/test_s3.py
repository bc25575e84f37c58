"""Corpus and output on S3, by the options of Beam's own file system, against moto's server."""

import io
import json
import logging
import threading
import uuid

import pyarrow.parquet as pq
import pytest

from helpers.corpora import TEXTS, run, write_corpus
from helpers.extraction_folders import DOCS, write_folder
from helpers.output_folders import files
from pfn_kg.pipeline import places
from pfn_kg.pipeline.cli import main

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed (the extra aws)")
moto_server = pytest.importorskip("moto.server", reason="moto's server is not installed")


@pytest.fixture(scope="module")
def server():
    # It writes a line for each request to standard error, where ours are looked for.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    started = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


class _OneSession:
    """A session that makes a client once.

    Beam's file system makes one for each operation, and reading the descriptions of all services
    of AWS takes most of the time of a small job.
    """

    def __init__(self):
        self._session = boto3.session.Session()
        self._clients = {}
        self._lock = threading.Lock()

    def client(self, **settings):
        key = repr(sorted(settings.items()))
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._session.client(**settings)
            return self._clients[key]


@pytest.fixture
def bucket(server, monkeypatch):
    """A new bucket, and the options by which Beam finds it."""
    session = _OneSession()
    monkeypatch.setattr(boto3.session, "Session", lambda: session)
    # Without the options nothing can be reached.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "not-a-secret"}
    client = session.client(service_name="s3", endpoint_url=server, region_name="us-east-1", **keys)
    name = uuid.uuid4().hex
    client.create_bucket(Bucket=name)
    options = [
        f"--s3_endpoint_url={server}",
        "--s3_access_key_id=testing",
        "--s3_secret_access_key=not-a-secret",
        "--s3_region_name=us-east-1",
    ]
    return client, name, options


def objects(client, bucket, prefix):
    listed = client.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return {
        entry["Key"].removeprefix(prefix): client.get_object(Bucket=bucket, Key=entry["Key"])[
            "Body"
        ].read()
        for entry in listed
    }


def test_the_whole_job(tmp_path, tiny_model, bucket, capsys):
    client, name, options = bucket
    write_corpus(tmp_path / "in" / "a.parquet", TEXTS)
    client.upload_file(str(tmp_path / "in" / "a.parquet"), name, "in/a.parquet")
    output = f"s3://{name}/out"
    assert run(f"s3://{name}/in", output, tiny_model, "--", *options) == 0, capsys.readouterr().err
    assert run(tmp_path / "in", tmp_path / "out", tiny_model) == 0
    made, local = objects(client, name, "out/"), files(tmp_path / "out")
    graph = json.loads(made["manifest.json"])["graph"]
    made |= {path.removeprefix(f"{graph}/"): content for path, content in made.items()}
    compared = 0
    for path in local:
        if path.partition("/")[0] in ("mentions", "triples", "entities", "relations", "rdf"):
            compared += 1
            assert made[path] == local[path], path
    assert compared > 5
    assert not any(path.endswith(".partial") for path in made)
    documents = pq.read_table(io.BytesIO(made["documents/part-00000-of-00001.parquet"]))
    assert set(documents["source_file"].to_pylist()) == {f"s3://{name}/in/a.parquet"}
    capsys.readouterr()
    again = ["query", output, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", "--format", "csv"]
    assert main([*again, "--", *options]) == 0
    assert int(capsys.readouterr().out.split()[1]) > 0
    assert main(["remove", output, "--documents", "a0", "--", *options]) == 0
    assert main(["build", output, "--", *options]) == 0


def test_a_folder_that_is_not_there_and_one_that_is_refused(bucket, capsys):
    _, name, options = bucket
    assert main(["build", f"s3://{name}/none", "--", *options]) == 2
    assert "no manifest.json there" in capsys.readouterr().err
    assert main(["build", "s3://no-such-bucket-here/none", "--", *options]) in (1, 2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "s3://no-such-bucket-here/none" in said


@pytest.mark.parametrize(
    ("scheme", "module", "extra"),
    [("gs", "google.cloud.storage", "gcp"), ("s3", "boto3", "aws"), ("hdfs", "hdfs", "hadoop")],
)
def test_a_missing_extra_is_named(tmp_path, tiny_model, capsys, monkeypatch, scheme, module, extra):
    real = places._is_installed
    monkeypatch.setattr(places, "_is_installed", lambda name: name != module and real(name))
    corpus = write_corpus(tmp_path / "a.parquet", TEXTS[:1])
    done = write_folder(tmp_path / "done", DOCS)
    url = f"{scheme}://bucket/x"
    model = ("--model", str(tiny_model))
    for arguments, option in (
        (["run", url, "--output", str(tmp_path / "out"), *model], "CORPUS"),
        (["run", str(corpus), "--output", url, *model], "--output"),
        (["run", str(corpus), "--output", str(tmp_path / "o"), "--model", url], "--model"),
        (["build", url], "DIR"),
        (["build", done, "--aliases", url], "--aliases"),
        (["query", url, "ASK {}"], "DIR"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"pfn-kg: {option}: {url}: apache-beam[{extra}] is not installed; ")
        assert f"pip install 'apache-beam[{extra}]" in said
        assert said.count("\n") == 1


def test_a_scheme_that_no_file_system_has(capsys):
    assert main(["build", "nowhere://bucket/x"]) == 2
    assert capsys.readouterr().err == (
        "pfn-kg: DIR: nowhere://bucket/x: no file system of Beam has the scheme nowhere://\n"
    )


def test_options_reach_the_file_system_before_it_is_opened(capsys):
    """Beam's Hadoop file system refuses to be made without its options."""
    pytest.importorskip("hdfs")
    options = ["--hdfs_host=localhost", "--hdfs_port=1", "--hdfs_user=me"]
    assert main(["build", "hdfs://out/x", "--", *options]) == 1
    assert "localhost" in capsys.readouterr().err
