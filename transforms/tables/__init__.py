"""The tables of a graph: their files, what is aggregated into them, and look-ups."""
