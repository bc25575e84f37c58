"""Reads a corpus: the plan from file footers, and chunks of documents."""
