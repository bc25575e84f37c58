"""The parts of a run's manifest: small records, each of one thing."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a manifest; keys that this version does not know are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", protected_namespaces=())


class InputFile(Part):
    """A file of the corpus, as it was when it was read last.

    Attributes:
        path: where it is.
        size: in bytes.
        version: time of its last change, or checksum.
        rows: of its footer.
        error: why it could not be read, if it could not.
    """

    path: str
    size: int
    version: str
    rows: int
    error: str | None = None


class ModelRecord(Part):
    """The model of the extractions.

    Attributes:
        name: what workers load: a folder, or the name of a shipped model.
        hash: of configuration, weights and tokenizer.
        entity_threshold: lambda_e of the model (eq. 13).
        relation_threshold: lambda_r of the model (eq. 13).
        calibration: as in `PFNConfig.calibration`.
    """

    name: str | None = None
    hash: str = ""
    entity_threshold: float = 0.5
    relation_threshold: float = 0.5
    calibration: dict[str, Any] | None = None


class Configuration(Part):
    """The options of the extraction by the names of their fields; most of them are only kept.

    Attributes:
        language: of the corpus.
        token_budget: of a batch.
        entity_floor: from which score on mentions were kept.
        relation_floor: from which score on head triples were kept.
    """

    language: str | None = None
    token_budget: int | None = None
    entity_floor: float = 0.0
    relation_floor: float = 0.0

    def recorded(self) -> dict[str, Any]:
        """All options that were recorded, by name."""
        return self.model_dump(mode="json", exclude_unset=True)


class ExtractionRecord(Part):
    """What came out of the extraction.

    Attributes:
        seconds: that it took.
        counts: of rows, sentences, mentions and so on.
        resumed_rows: rows that an earlier run had finished.
        sentences_per_second: of those that this run read.
        documents_per_second: likewise.
        unchanged_rows: of an update, rows whose document the graph had already.
        gone_documents: of an update by the whole corpus, documents that it lacks and that were
            removed, with those that had been rejected.
        metrics: what the job counted, as in `pfn_kg.pipeline.job_metrics.job_metrics`.
        job: sign of the job, where the command that started it had left it; absent otherwise.
    """

    seconds: float = 0.0
    counts: dict[str, int] = {}
    resumed_rows: int = 0
    sentences_per_second: float = 0.0
    documents_per_second: float = 0.0
    unchanged_rows: int | None = None
    gone_documents: int | None = None
    metrics: dict[str, int | dict[str, int]] = {}
    job: str | None = None


class BuildRecord(Part):
    """How the graph was built last, and what came out.

    Attributes:
        options: as `pfn_kg.pipeline.build_phase.recorded_options` reads them.
        seconds: that it took.
        counts: of rows by table, of what rules did and so on.
        precision: of the model by the facts that corrections judge, as in
            `pfn_kg.pipeline.correction_precision.precision_record`; absent without any.
        metrics: as in `ExtractionRecord`.
    """

    options: dict[str, Any] = {}
    seconds: float = 0.0
    counts: dict[str, int] = {}
    precision: dict[str, Any] | None = None
    metrics: dict[str, int | dict[str, int]] = {}


class LoadRecord(Part):
    """How the graph was loaded into Neo4j under one name.

    Attributes:
        uri: of the server.
        database: None is the user's home database.
        version: of the graph that was loaded.
        options: that decided what was loaded.
        counts: of what was loaded.
        seconds: that it took.
        versions: of the packages.
    """

    uri: str
    database: str | None = None
    version: str
    options: dict[str, Any] = {}
    counts: dict[str, int] = {}
    seconds: float = 0.0
    versions: dict[str, str] = {}


class HistoryEvent(Part):
    """One change of an output folder.

    Attributes:
        what: `extract`, `build`, `remove` or `rollback`.
        time: when it was finished, in UTC (ISO 8601).
        snapshot: path of the graph that became the current one; None where none did.
        seconds: that it took; None where nobody counted.
        counts: what came out, by name.
        options: those that are not what they were the time before: by name, the value before and
            after.
    """

    what: str
    time: str
    snapshot: str | None = None
    seconds: float | None = None
    counts: dict[str, int] = {}
    options: dict[str, tuple[Any, Any]] = {}
