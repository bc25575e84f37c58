"""`WriteRdf`: the RDF of a finished graph as a Beam transform for any pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike, fspath

import apache_beam as beam

from pfn_kg.pipeline.finished_run import read_finished
from pfn_kg.pipeline.write_files import WriteFiles
from pfn_kg.schemas.assemble import validate
from pfn_kg.schemas.build_options import RdfOptions
from pfn_kg.schemas.choices import AliasIris, Provenance, RdfFormat, RelationIris
from pfn_kg.sinks.rdf.sink import RdfSink


class WriteRdf(beam.PTransform):
    """Writes a finished graph as RDF, as `pfn-kg export` does.

    The transform is the root of a pipeline. `pfn_kg.WriteFiles` describes how it places files.

    Args:
        directory: the output folder of a finished run, on any file system that Beam knows.
        output: the folder for the files; empty, or an earlier export, which is replaced.
        format: `turtle`, `ntriples`, or `trig` with a named graph for each document.
        provenance: the evidence of facts: `none`, `statement` for RDF 1.1 statements or
            `rdf12` for RDF 1.2 reifiers.
        relation_iris: `own`, or `match` for the matching IRIs of the label schema.
        alias_iris: IRIs of the alias table as owl:sameAs (`same-as`), or as what entities are
            called (`subject`).
        label_language: language tag of names; `none` is without; by default that of the run.
        gzip: whether the files are compressed.
        min_confidence: relations below this confidence are left out.
        min_evidence: relations with fewer pieces of evidence are left out.
        relations: the relations to write, by their names in the label schema; all by default.

    Returns:
        A collection of one dictionary: what was counted, `rdf_triples` among it.

    Raises:
        ConfigurationError: if there is no finished graph, the folder holds something else, or
            an option is wrong.

    Example:
        >>> pipeline | WriteRdf("runs/example", "out", provenance="rdf12")  # doctest: +SKIP
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        output: str | PathLike[str],
        *,
        format: RdfFormat = "turtle",
        provenance: Provenance = "none",
        relation_iris: RelationIris = "own",
        alias_iris: AliasIris = "same-as",
        label_language: str | None = None,
        gzip: bool = False,
        min_confidence: float = 0.0,
        min_evidence: int = 1,
        relations: Sequence[str] | None = None,
    ):
        super().__init__()
        run = read_finished(fspath(directory))
        language = run.language if label_language is None else label_language
        options = validate(
            RdfOptions,
            {
                "format": format,
                "provenance": provenance,
                "language": None if language == "none" else language,
                "relation_iris": relation_iris,
                "alias_iris": alias_iris,
                "gzip": gzip,
            },
        )
        self._write = WriteFiles(
            run,  # the same snapshot, whatever is built meanwhile
            RdfSink(run.label_schema, options),
            output,
            min_confidence=min_confidence,
            min_evidence=min_evidence,
            relations=relations,
            # The base, so that whoever reads the files knows their prefixes.
            settings=options.model_dump() | {"base_iri": run.label_schema.base_iri},
        )

    def expand(self, root: beam.pvalue.PBegin) -> beam.PCollection:
        """Applies the transform."""
        return root | "Files" >> self._write
