"""The model and a finished graph for LlamaIndex: an extractor of paths, and a retriever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from os import PathLike
from typing import Any

from pfn_kg.pfn.extractor import Extractor
from pfn_kg.pipeline.adapters.found_facts import FoundFacts, read_texts
from pfn_kg.pipeline.graph import Graph
from pfn_kg.schemas.errors import ConfigurationError
from pfn_kg.schemas.installation import how_to_install

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.graph_stores.types import (
        KG_NODES_KEY,
        KG_RELATIONS_KEY,
        EntityNode,
        Relation,
    )
    from llama_index.core.schema import (
        BaseNode,
        MetadataMode,
        NodeWithScore,
        QueryBundle,
        TextNode,
        TransformComponent,
    )
    from pydantic import PrivateAttr
except ImportError:
    raise ConfigurationError(how_to_install("llama-index-core", "llamaindex")) from None


class PfnPathExtractor(TransformComponent):
    """Finds the facts of text nodes, for the `kg_extractors` of a `PropertyGraphIndex`.

    The label of an entity is its type, and the label of a relation its name. Metadata of the text
    node become properties of both, as those of LlamaIndex's own extractors do.

    Args:
        extractor: the model; the shipped one if None.
        entity_threshold: lambda_e of eq. 13; the model's own by default.
        relation_threshold: lambda_r of eq. 13; the model's own by default.
    """

    entity_threshold: float | None = None
    relation_threshold: float | None = None
    _extractor: Extractor = PrivateAttr()

    def __init__(
        self,
        extractor: Extractor | None = None,
        *,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
    ):
        thresholds: dict[str, Any] = {
            "entity_threshold": entity_threshold,
            "relation_threshold": relation_threshold,
        }
        super().__init__(**thresholds)
        self._extractor = extractor or Extractor.from_pretrained()

    @classmethod
    def class_name(cls) -> str:
        """The name that LlamaIndex keeps of the component."""
        return "PfnPathExtractor"

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> Sequence[BaseNode]:
        """Reads text nodes, each by itself, and puts what it finds into their metadata."""
        texts = [node.get_content(metadata_mode=MetadataMode.NONE) for node in nodes]
        found = read_texts(
            self._extractor,
            texts,
            entity_threshold=self.entity_threshold,
            relation_threshold=self.relation_threshold,
        )
        for node, facts in zip(nodes, found, strict=True):
            _annotate(node, facts)
        return nodes


def _annotate(node: BaseNode, found: FoundFacts) -> None:
    entities = node.metadata.pop(KG_NODES_KEY, [])
    relations = node.metadata.pop(KG_RELATIONS_KEY, [])
    metadata = dict(node.metadata)
    made = {
        entity: EntityNode(
            name=entity.name, label=entity.type, properties={**metadata, "score": score}
        )
        for entity, score in found.entities.items()
    }
    node.metadata[KG_NODES_KEY] = [*entities, *made.values()]
    node.metadata[KG_RELATIONS_KEY] = [
        *relations,
        *(
            Relation(
                label=fact.relation,
                source_id=made[fact.subject].id,
                target_id=made[fact.object].id,
                properties={**metadata, "score": fact.score},
            )
            for fact in found.facts
        ),
    ]


class GraphRetriever(BaseRetriever):
    """The sentences of a finished graph that answer a question, as `pfn-kg search` finds them.

    The metadata of each node holds `document_id`, `title`, `sentence_index`, `begin`, `end`, and
    `facts`: those that led to the sentence, with their ids.

    Args:
        directory: the output folder of the graph.
        similarity_top_k: how many sentences are given at most.

    Raises:
        ConfigurationError: if there is no finished graph.
    """

    def __init__(self, directory: str | PathLike[str], *, similarity_top_k: int = 10):
        super().__init__()
        self._graph = Graph.open(directory)
        self._limit = similarity_top_k

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._graph.search(query_bundle.query_str, limit=self._limit)
        nodes = []
        for sentence in found.sentences:
            metadata = asdict(sentence)
            text, score = metadata.pop("text"), metadata.pop("score")
            place = f"{sentence.document_id}#{sentence.begin}"
            # The model that answers gets the sentence and where it stands, not the numbers.
            hidden = [key for key in metadata if key != "title"]
            node = TextNode(
                id_=place,
                text=text,
                metadata=metadata,
                excluded_llm_metadata_keys=hidden,
                excluded_embed_metadata_keys=list(metadata),
            )
            nodes.append(NodeWithScore(node=node, score=score))
        return nodes
