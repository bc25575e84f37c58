"""Beam transforms, one a file, and the pure functions beside them."""
