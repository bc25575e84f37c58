"""Corpora that Hugging Face `datasets` and Spark write by themselves."""

import datetime
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers.read_corpus import rows
from pfn_kg.schemas.errors import ConfigurationError

TEXTS = ["Anna Bell was born in London.", "She works for NATO.", "Oslo is in Norway."]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """Hugging Face's package, without a network and with a cache of its own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    package = pytest.importorskip("datasets")
    package.disable_progress_bars()
    return package


def made_dataset(datasets, **types):
    names = {"id": datasets.Value("int64"), "text": datasets.Value("string")} | types
    columns = {
        "id": [1, 2, 3],
        "text": TEXTS,
        "title": ["T1", None, "T3"],
        "label": [0, 1, 0],
        "tags": [["a", "b"], [], None],
        "day": [datetime.date(2024, 2, 29), None, datetime.date(1999, 12, 31)],
    }
    return datasets.Dataset.from_dict(
        {name: columns[name] for name in names}, features=datasets.Features(names)
    )


def test_shards_of_hugging_face_datasets(tmp_path, datasets):
    value = datasets.Value
    whole = made_dataset(
        datasets,
        title=value("large_string"),
        label=datasets.ClassLabel(names=["news", "blog"]),
        tags=datasets.List(value("string")),
        day=value("date32"),
    )
    for number in range(2):
        shard = whole.shard(2, number, contiguous=True)
        shard.to_parquet(tmp_path / "data" / f"train-{number:05}-of-00002.parquet")
    found = rows(tmp_path / "data", metadata_columns=["label", "tags", "day"])
    assert [d.document_id for d in found] == ["1", "2", "3"]
    assert [d.text for d in found] == TEXTS
    assert [d.title for d in found] == ["T1", None, "T3"]
    assert [json.loads(d.metadata) for d in found] == [
        {"label": 0, "tags": ["a", "b"], "day": "2024-02-29"},
        {"label": 1, "tags": [], "day": None},
        {"label": 0, "tags": None, "day": "1999-12-31"},
    ]


@pytest.mark.parametrize("type_", ["string", "large_string", "int32", "uint64", "float64"])
def test_ids_of_hugging_face_datasets(tmp_path, datasets, type_):
    made = made_dataset(datasets).cast_column("id", datasets.Value(type_))
    made.to_parquet(tmp_path / "a.parquet")
    # As they are streamed, too.
    made.to_iterable_dataset().to_parquet(tmp_path / "b.parquet")
    for name in ("a", "b"):
        found = rows(tmp_path / f"{name}.parquet")
        assert [d.document_id for d in found] == ["1", "2", "3"]
        assert [d.text for d in found] == TEXTS


def test_a_saved_hugging_face_dataset_is_refused(tmp_path, datasets):
    """`save_to_disk` writes Arrow files, not Parquet."""
    made_dataset(datasets).save_to_disk(tmp_path / "saved")
    with pytest.raises(ConfigurationError) as refused:
        rows(tmp_path / "saved")
    assert re.match(
        rf"CORPUS {tmp_path}/saved: no \*\.parquet below this folder \(it has data-\S+\.arrow and",
        str(refused.value),
    )


# Run by the Python that has Spark.
_BY_SPARK = """
import datetime, decimal, sys
from pyspark.sql import SparkSession, functions as F

spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.memory", "700m")
    .getOrCreate()
)
texts, out = sys.argv[2:], sys.argv[1]
days = [datetime.date(2024, 2, 29), None, datetime.date(1999, 12, 31)]
prices = [decimal.Decimal("10.50"), None, decimal.Decimal("1.00")]
rows = list(zip([1, 2, 3], texts, ["T1", None, "T3"], ["en", "en", "de"], days, prices))
types = "id long, text string, title string, lang string, day date, price decimal(10, 2)"
frame = spark.createDataFrame(rows, types).coalesce(1)
frame.write.partitionBy("lang").parquet(out + "/partitions")
spark.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
at = F.lit(datetime.datetime(2024, 2, 29, 12)).alias("at")
frame.select("*", at).write.option("compression", "zstd").parquet(out + "/times")
nested = F.struct("title", F.encode("text", "utf-8").alias("body")).alias("doc")
frame.select(F.col("id").cast("decimal(20, 0)").alias("id"), nested).write.parquet(out + "/nested")
frame.select("id", "text").repartition(3, "id").write.parquet(out + "/parts")
spark.stop()
"""


@pytest.fixture(scope="module")
def by_spark(tmp_path_factory):
    """A folder that Spark has written: it is too large for the environment of the tests."""
    python = os.environ.get("PFN_KG_SPARK")
    if python is None and find_spec("pyspark"):
        python = sys.executable
    if python is None:
        pytest.skip("no pyspark here, and PFN_KG_SPARK names no Python that has it")
    folder = tmp_path_factory.mktemp("spark")
    environment = os.environ | {"TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1"}
    done = subprocess.run(
        [python, "-c", _BY_SPARK, folder, *TEXTS],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Path(folder)


def test_partitions_of_spark(by_spark):
    found = rows(by_spark / "partitions", metadata_columns=["lang", "day", "price"])
    assert [(d.document_id, d.title) for d in found] == [("3", "T3"), ("1", "T1"), ("2", None)]
    assert [json.loads(d.metadata) for d in found] == [
        {"lang": "de", "day": "1999-12-31", "price": "1.00"},
        {"lang": "en", "day": "2024-02-29", "price": "10.50"},
        {"lang": "en", "day": None, "price": None},
    ]


def test_times_of_spark(by_spark):
    found = rows(by_spark / "times", metadata_columns=["at"])
    assert [d.text for d in found] == TEXTS
    assert {json.loads(d.metadata)["at"][:16] for d in found} == {"2024-02-29T12:00"}


def test_nested_columns_of_spark(by_spark):
    names = {"text_column": "doc.body", "title_column": "doc.title"}
    found = rows(by_spark / "nested", **names)
    assert [(d.document_id, d.text) for d in found] == list(zip("123", TEXTS, strict=True))
    assert [d.title for d in found] == ["T1", None, "T3"]


def test_parts_of_spark(by_spark):
    parts = list((by_spark / "parts").glob("part-*.parquet"))
    assert len(parts) > 1
    found = rows(by_spark / "parts")
    assert sorted((d.document_id, d.text) for d in found) == list(zip("123", TEXTS, strict=True))
