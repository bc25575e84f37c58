"""Runs the model over chunks, and the extraction files that it leaves."""
