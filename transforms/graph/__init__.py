"""Beam steps between extraction files and a finished graph: make rows, write tables, join them."""
