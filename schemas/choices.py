"""The choices, defaults and group titles that several groups of options share."""

from __future__ import annotations

from typing import Literal, TypeAlias

#: Taken as the title where no column is named and the file has one of this name.
DEFAULT_TITLE_COLUMN = "title"

#: A chunk ends before the document that would take it beyond this many characters.
CHUNK_CHARACTERS = 4_000_000

#: Scores are kept from here, so that thresholds can be moved without the model.
DEFAULT_FLOOR = 0.1

#: How many rows a file of a table is planned to hold; texts are long, so fewer of those.
SHARD_ROWS = 200_000

#: Rows in one transaction of a load.
BATCH_ROWS = 5_000

#: Below this similarity, names that are alike say nothing any more.
LEAST_SIMILARITY = 0.7

#: Which mentions at one head take part in its triples.
HeadPolicy: TypeAlias = Literal["all", "best", "longest"]
#: Of the text encoder's products.
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]
#: What becomes of triples between types that the label schema does not give their relation.
ConstraintPolicy: TypeAlias = Literal["drop", "flag", "keep"]
#: How a relation that can be read both ways is said: as the text does, in one direction,
#: or in both.
MirrorPolicy: TypeAlias = Literal["keep", "one", "both"]
#: What becomes of a triple whose types fit its relation only the other way round.
DirectionPolicy: TypeAlias = Literal["keep", "flip"]
#: Which triples of a fact in a document stay: those whose arguments are nearest, or all.
EvidencePolicy: TypeAlias = Literal["nearest", "all"]
RdfFormat: TypeAlias = Literal["turtle", "ntriples", "trig"]
Provenance: TypeAlias = Literal["none", "statement", "rdf12"]
RelationIris: TypeAlias = Literal["own", "match"]
AliasIris: TypeAlias = Literal["same-as", "subject"]

#: Formats of annotated data.
DataFormat: TypeAlias = Literal["docred", "spert", "dygie", "triple-list"]

#: Of the URI of a Neo4j server.
NEO4J_SCHEMES = ("neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc")


# Titles of the groups that options are listed in.
CORPUS = "Corpus and output"
MODEL = "Model"
THRESHOLDS = "Thresholds and schema"
RULES = "Rules of the label schema"
NAMES = "Names of one entity"
CORRECTIONS = "Corrections"
FILES = "Tables and RDF"
NEO4J = "Neo4j"
FILTERS = "Relations that are written"
