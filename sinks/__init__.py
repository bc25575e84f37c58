"""Sinks: what a finished graph is written as, one format a file."""
