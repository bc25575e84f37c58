"""Entities across documents: which are one, and where their former ids went."""
