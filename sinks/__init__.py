"""Sinks write a finished graph, one format per file."""
