"""Formats in which other programs take a graph: GraphML, GEXF, CSV, KGTK."""
