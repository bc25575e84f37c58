"""Entities of a graph and the entries of a catalogue that they are."""
