"""The graph as RDF: Turtle, N-Triples and TriG, with ontology, shapes and VoID."""
