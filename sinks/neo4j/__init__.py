"""The graph in Neo4j: a running server, or files for its bulk importer."""
