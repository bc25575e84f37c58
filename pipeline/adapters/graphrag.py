"""The model and its encoder as components of neo4j-graphrag.

`PfnExtractor` takes the place of a language model in a pipeline that builds a graph, and
`PfnEmbedder` that of an embedding service in retrievers over a graph in Neo4j.
"""

from __future__ import annotations

import asyncio
from os import PathLike
from typing import Any

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pfn.inference.embedding import TextEmbedder
from pfn_kg.pipeline.adapters.found_facts import FoundFacts, NamedEntity, read_texts
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install
from pfn_kg.schemas.label_schema import LabelSchema

try:
    from neo4j_graphrag.components.entity_relation_extractor import (
        EntityRelationExtractor,
        OnError,
    )
    from neo4j_graphrag.components.lexical_graph import LexicalGraphBuilder
    from neo4j_graphrag.components.types import (
        DocumentInfo,
        LexicalGraphConfig,
        Neo4jGraph,
        Neo4jNode,
        Neo4jRelationship,
        TextChunks,
    )
    from neo4j_graphrag.embeddings.base import Embedder
except ImportError:
    raise ConfigurationError(how_to_install("neo4j-graphrag", "graphrag")) from None


class PfnExtractor(EntityRelationExtractor):
    """Finds the entities and relations of chunks with the model.

    Labels and types of relationships are those that `pfn-kg load` writes (`neo4j_label` and
    `neo4j_type` of the label schema). A node has its name and the best score of its mentions, a
    relationship the best score of its triples. A name is one node in each chunk; the resolvers of
    neo4j-graphrag merge the nodes of several chunks.

    Args:
        extractor: the model; the shipped one if None.
        entity_threshold: lambda_e of eq. 13; the model's own by default.
        relation_threshold: lambda_r of eq. 13; the model's own by default.
        create_lexical_graph: whether the chunks and their document become nodes too.

    Example:
        >>> pipeline.add_component(PfnExtractor(), "extractor")  # doctest: +SKIP
    """

    def __init__(
        self,
        extractor: Extractor | None = None,
        *,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
        create_lexical_graph: bool = True,
    ):
        super().__init__(on_error=OnError.RAISE, create_lexical_graph=create_lexical_graph)
        self._extractor = extractor or Extractor.from_pretrained()
        self._thresholds = {
            "entity_threshold": entity_threshold,
            "relation_threshold": relation_threshold,
        }
        schema = LabelSchema.from_dict(self._extractor.config.label_schema)
        self._labels = {known.name: known.neo4j_label for known in schema.entity_types}
        self._types = {known.name: known.neo4j_type for known in schema.relations}

    async def run(
        self,
        chunks: TextChunks,
        document_info: DocumentInfo | None = None,
        lexical_graph_config: LexicalGraphConfig | None = None,
        **kwargs: Any,
    ) -> Neo4jGraph:
        """Reads the chunks of one document.

        Args:
            chunks: each is read by itself.
            document_info: of the document, which becomes a node too.
            lexical_graph_config: names of labels and properties of chunks.
            **kwargs: what other extractors take, such as a schema; the model has its own.
        """
        texts = [chunk.text for chunk in chunks.chunks]
        # Reading takes a while, and the loop may have other work.
        found = await asyncio.to_thread(read_texts, self._extractor, texts, **self._thresholds)
        graph = Neo4jGraph()
        builder = None
        if self.create_lexical_graph or lexical_graph_config is not None:
            builder = LexicalGraphBuilder(config=lexical_graph_config or LexicalGraphConfig())
        if builder is not None and self.create_lexical_graph:
            graph = (await builder.run(text_chunks=chunks, document_info=document_info)).graph
        for chunk, facts in zip(chunks.chunks, found, strict=True):
            part = self.update_ids(self._graph(facts), chunk)
            if builder is not None:
                await builder.process_chunk_extracted_entities(part, chunk)
            graph.nodes.extend(part.nodes)
            graph.relationships.extend(part.relationships)
        return graph

    def _graph(self, found: FoundFacts) -> Neo4jGraph:
        ids: dict[NamedEntity, str] = {e: str(n) for n, e in enumerate(found.entities)}
        return Neo4jGraph(
            nodes=[
                Neo4jNode(
                    id=ids[entity],
                    label=self._labels[entity.type],
                    properties={"name": entity.name, "score": score},
                )
                for entity, score in found.entities.items()
            ],
            relationships=[
                Neo4jRelationship(
                    start_node_id=ids[fact.subject],
                    end_node_id=ids[fact.object],
                    type=self._types[fact.relation],
                    properties={"score": fact.score},
                )
                for fact in found.facts
            ],
        )


class PfnEmbedder(Embedder):
    """Vectors of questions, for retrievers over a graph that was loaded with `neo4j_vectors`.

    Args:
        folder: the encoder that made the vectors of the graph, as `neo4j_vectors` named it.
        device: as for `TextEmbedder`.
    """

    def __init__(self, folder: str | PathLike[str] | None = None, *, device: str = "auto"):
        super().__init__()
        self._embedder = TextEmbedder(folder, device=device)

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question, of length 1."""
        return self._embedder.embed([text])[0].tolist()
