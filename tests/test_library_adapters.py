"""The adapters for LangChain, LlamaIndex and neo4j-graphrag against the real packages."""

import asyncio
from dataclasses import asdict
from importlib.util import find_spec

import pytest

from helpers.extraction_folders import Doc, write_folder
from pfn_kg import Graph
from pfn_kg.pfn.checkpoint import read_label_schema
from pfn_kg.pipeline.adapters.found_facts import found_facts
from pfn_kg.pipeline.build_phase import BuildOptions, run_build
from pfn_kg.schemas.records import DocumentExtraction, Mention, Triple

TEXTS = [
    "Anna Bell was born in London. Anna\nBell moved to Rome in 1990.",
    "",
    "The director John Smith works for ACME in London, a city.",
]
LOW = {"entity_threshold": 0.2, "relation_threshold": 0.2}
QUESTION = "Where was Ada Lovelace born?"


def needs(module, extra):
    missing = find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"needs the extra {extra}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    docs = [
        Doc(
            "ada",
            "Ada Lovelace was born in London. It rained.",
            (("Ada Lovelace", "PER", 0.9), ("London", "LOC", 0.9)),
            (("Ada Lovelace", "place of birth", "London", 0.8),),
            title="Ada Lovelace",
        ),
        Doc("rome", "Rome slept.", (("Rome", "LOC", 0.9),), title="Rome"),
    ]
    path = write_folder(tmp_path_factory.mktemp("adapters") / "run", docs)
    run_build(path, BuildOptions(rdf=None, sentences=True))
    return path


@pytest.fixture(scope="module")
def expected(tiny_extractor):
    """Names and facts of each text, straight from the extractor."""
    found = []
    for extraction in tiny_extractor.extract_documents(TEXTS, **LOW):
        names = [(" ".join(m.text.split()), m.type) for m in extraction.mentions]
        facts = {(names[t.subject], t.relation, names[t.object]) for t in extraction.triples}
        found.append((set(names), facts))
    assert sum(len(facts) for _, facts in found) > 0
    return found


def test_a_name_is_one_entity_with_its_best_score():
    extraction = DocumentExtraction(
        [],
        [
            Mention(0, 9, "Anna Bell", "PER", 0.5),
            Mention(10, 19, "Anna\nBell", "PER", 0.75),
            Mention(20, 29, "Anna Bell", "ORG", 0.25),
        ],
        [Triple(0, "knows", 2, 0.5), Triple(1, "knows", 2, 0.25), Triple(1, "owns", 2, 0.75)],
    )
    found = found_facts(extraction)
    person, company = ("Anna Bell", "PER"), ("Anna Bell", "ORG")
    assert found.entities == {person: 0.75, company: 0.25}
    assert found.facts == [(person, "knows", company, 0.5), (person, "owns", company, 0.75)]


@needs("langchain_community", "langchain")
class TestLangChain:
    def test_graph_documents(self, tiny_extractor, expected):
        from langchain_community.graphs.networkx_graph import KnowledgeTriple, NetworkxEntityGraph
        from langchain_core.documents import Document

        from pfn_kg.pipeline.adapters.langchain import PfnGraphTransformer

        documents = [Document(page_content=text, metadata={"n": n}) for n, text in enumerate(TEXTS)]
        found = PfnGraphTransformer(tiny_extractor, **LOW).convert_to_graph_documents(documents)
        assert [graph.source for graph in found] == documents
        store = NetworkxEntityGraph()
        for graph, (names, facts) in zip(found, expected, strict=True):
            assert {(node.id, node.type) for node in graph.nodes} == names
            assert {
                ((r.source.id, r.source.type), r.type, (r.target.id, r.target.type))
                for r in graph.relationships
            } == facts
            for fact in graph.relationships:
                store.add_triple(KnowledgeTriple(fact.source.id, fact.type, fact.target.id))
        names = {name for _, facts in expected for s, _, o in facts for name in (s[0], o[0])}
        assert store.get_number_of_nodes() == len(names)

    def test_retriever(self, folder):
        from pfn_kg.pipeline.adapters.langchain import GraphRetriever

        documents = GraphRetriever.open(folder, k=1).invoke(QUESTION)
        (sentence,) = Graph.open(folder).search(QUESTION, limit=1).sentences
        (document,) = documents
        assert document.page_content == sentence.text == "Ada Lovelace was born in London."
        assert document.metadata | {"text": sentence.text} == asdict(sentence)
        assert document.metadata["facts"][0]["object"] == "London"
        found = asyncio.run(GraphRetriever.open(folder).ainvoke(QUESTION))
        assert found[0].page_content == sentence.text


@needs("llama_index", "llamaindex")
class TestLlamaIndex:
    def test_a_property_graph_index_takes_the_extractor(self, tiny_extractor, expected):
        from llama_index.core import Document, PropertyGraphIndex
        from llama_index.core.embeddings import MockEmbedding

        from pfn_kg.pipeline.adapters.llama_index import PfnPathExtractor

        # The index wants some embedding and asks for no vector of it.
        index = PropertyGraphIndex.from_documents(
            [Document(text=text, metadata={"n": n}) for n, text in enumerate(TEXTS)],
            kg_extractors=[PfnPathExtractor(tiny_extractor, **LOW)],
            embed_kg_nodes=False,
            embed_model=MockEmbedding(4),
            show_progress=False,
        )
        triples = index.property_graph_store.get_triplets(
            entity_names=sorted({name for names, _ in expected for name, _ in names})
        )
        found = {(s.name, r.label, o.name) for s, r, o in triples if hasattr(o, "name")}
        wanted = {(s[0], r, o[0]) for _, facts in expected for s, r, o in facts}
        assert wanted
        assert wanted == {fact for fact in found if fact[1] != "SOURCE"}

    def test_what_is_in_a_node_stays(self, tiny_extractor, expected):
        from llama_index.core.graph_stores.types import KG_NODES_KEY, KG_RELATIONS_KEY, EntityNode
        from llama_index.core.schema import TextNode

        from pfn_kg.pipeline.adapters.llama_index import PfnPathExtractor

        old = EntityNode(name="old", label="OTHER")
        node = TextNode(text=TEXTS[0], metadata={"page": 3, KG_NODES_KEY: [old]})
        (node,) = PfnPathExtractor(tiny_extractor, **LOW)([node])
        first, *entities = node.metadata[KG_NODES_KEY]
        assert first == old
        assert {(e.name, e.label) for e in entities} == expected[0][0]
        assert all(e.properties["page"] == 3 for e in entities)
        ids = {entity.id for entity in entities}
        relations = node.metadata[KG_RELATIONS_KEY]
        assert len(relations) == len(expected[0][1]) > 0
        assert all({r.source_id, r.target_id} <= ids for r in relations)

    def test_retriever(self, folder):
        from llama_index.core.schema import MetadataMode

        from pfn_kg.pipeline.adapters.llama_index import GraphRetriever

        (found,) = GraphRetriever(folder, similarity_top_k=1).retrieve(QUESTION)
        (sentence,) = Graph.open(folder).search(QUESTION, limit=1).sentences
        assert (found.node.text, found.score) == (sentence.text, sentence.score)
        assert found.node.metadata["facts"][0]["object"] == "London"
        said = found.node.get_content(metadata_mode=MetadataMode.LLM)
        assert "Ada Lovelace" in said
        assert "sentence_index" not in said


@needs("neo4j_graphrag", "graphrag")
class TestNeo4jGraphRag:
    def test_the_extractor_runs_in_a_pipeline(self, tiny_extractor, tiny_model, expected):
        from neo4j_graphrag.components.types import DocumentInfo, TextChunk, TextChunks
        from neo4j_graphrag.experimental.pipeline import Pipeline

        from pfn_kg.pipeline.adapters.graphrag import PfnExtractor

        chunks = TextChunks(
            chunks=[TextChunk(text=text, index=n, uid=f"c{n}") for n, text in enumerate(TEXTS)]
        )
        pipeline = Pipeline()
        pipeline.add_component(PfnExtractor(tiny_extractor, **LOW), "extractor")
        info = DocumentInfo(path="a.txt", uid="doc")
        done = asyncio.run(pipeline.run({"extractor": {"chunks": chunks, "document_info": info}}))
        graph = done.result["extractor"]
        schema = read_label_schema(tiny_model)
        labels = {t.name: t.neo4j_label for t in schema.entity_types}
        types = {r.name: r.neo4j_type for r in schema.relations}
        nodes = {node["id"]: node for node in graph["nodes"]}
        named = {
            key: (key.partition(":")[0], node["properties"]["name"], node["label"])
            for key, node in nodes.items()
            if "name" in node["properties"]
        }
        assert set(named.values()) == {
            (f"c{n}", name, labels[kind])
            for n, (names, _) in enumerate(expected)
            for name, kind in names
        }
        facts = {
            (named[r["start_node_id"]], r["type"], named[r["end_node_id"]])
            for r in graph["relationships"]
            if r["end_node_id"] in named
        }
        assert facts == {
            ((f"c{n}", s[0], labels[s[1]]), types[relation], (f"c{n}", o[0], labels[o[1]]))
            for n, (_, facts) in enumerate(expected)
            for s, relation, o in facts
        }
        ends = {(r["start_node_id"], r["type"], r["end_node_id"]) for r in graph["relationships"]}
        assert {(key, "FROM_CHUNK", key.partition(":")[0]) for key in named} <= ends
        assert {("c0", "FROM_DOCUMENT", "doc"), ("c0", "NEXT_CHUNK", "c1")} <= ends

    def test_without_chunks(self, tiny_extractor, expected):
        from neo4j_graphrag.components.types import TextChunk, TextChunks

        from pfn_kg.pipeline.adapters.graphrag import PfnExtractor

        extractor = PfnExtractor(tiny_extractor, create_lexical_graph=False, **LOW)
        graph = asyncio.run(extractor.run(TextChunks(chunks=[TextChunk(text=TEXTS[0], index=0)])))
        assert {node.properties["name"] for node in graph.nodes} == {n for n, _ in expected[0][0]}
        assert len(graph.relationships) == len(expected[0][1])
