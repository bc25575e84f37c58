"""The model and a finished graph for LangChain: graph documents, and a retriever."""

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
    from langchain_community.graphs.graph_document import GraphDocument, Node, Relationship
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError:
    raise ConfigurationError(how_to_install("langchain-community", "langchain")) from None


class PfnGraphTransformer:
    """Turns documents of LangChain into graph documents, which its graph stores take.

    It has the methods of LangChain's `LLMGraphTransformer`. The id of a node is its name, as there.

    Args:
        extractor: the model; the shipped one if None.
        entity_threshold: lambda_e of eq. 13; the model's own by default.
        relation_threshold: lambda_r of eq. 13; the model's own by default.
    """

    def __init__(
        self,
        extractor: Extractor | None = None,
        *,
        entity_threshold: float | None = None,
        relation_threshold: float | None = None,
    ):
        self._extractor = extractor or Extractor.from_pretrained()
        self._thresholds = {
            "entity_threshold": entity_threshold,
            "relation_threshold": relation_threshold,
        }

    def convert_to_graph_documents(self, documents: Sequence[Document]) -> list[GraphDocument]:
        """Reads documents, each by itself.

        Args:
            documents: any documents.

        Returns:
            One graph document for each, in order, with the document as its source.
        """
        texts = [document.page_content for document in documents]
        found = read_texts(self._extractor, texts, **self._thresholds)
        return [
            _graph_document(facts, document)
            for facts, document in zip(found, documents, strict=True)
        ]


def _graph_document(found: FoundFacts, source: Document) -> GraphDocument:
    nodes = {
        entity: Node(id=entity.name, type=entity.type, properties={"score": score})
        for entity, score in found.entities.items()
    }
    return GraphDocument(
        nodes=list(nodes.values()),
        relationships=[
            Relationship(
                source=nodes[fact.subject],
                target=nodes[fact.object],
                type=fact.relation,
                properties={"score": fact.score},
            )
            for fact in found.facts
        ],
        source=source,
    )


class GraphRetriever(BaseRetriever):
    """The sentences of a finished graph that answer a question, as `pfn-kg search` finds them.

    The metadata of each document holds `document_id`, `title`, `sentence_index`, `begin`, `end`,
    `score`, and `facts`: those that led to the sentence, with their ids.

    Attributes:
        graph: the graph.
        k: how many sentences are given at most.

    Example:
        >>> retriever = GraphRetriever.open("runs/example", k=5)  # doctest: +SKIP
        >>> retriever.invoke("Where is Latourell Falls?")  # doctest: +SKIP
    """

    graph: Any
    k: int = 10

    @classmethod
    def open(cls, directory: str | PathLike[str], *, k: int = 10) -> GraphRetriever:
        """Opens a finished graph.

        Args:
            directory: its output folder.
            k: how many sentences are given at most.

        Raises:
            ConfigurationError: if there is no finished graph.
        """
        return cls(graph=Graph.open(directory), k=k)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = self.graph.search(query, limit=self.k)
        return [
            Document(
                page_content=sentence.text,
                metadata={key: value for key, value in asdict(sentence).items() if key != "text"},
            )
            for sentence in found.sentences
        ]
