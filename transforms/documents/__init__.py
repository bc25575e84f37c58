"""Which rows are the live documents: one a document id, new, changed or removed."""
