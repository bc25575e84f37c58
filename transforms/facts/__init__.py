"""Facts of a document and of the graph: resolved triples, and the rules that judge them."""
