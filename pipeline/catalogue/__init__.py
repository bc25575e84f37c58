"""Catalogues of things that have IRIs, from the forms in which people have them."""
