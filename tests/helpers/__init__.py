"""What several test modules need: corpora, folders, servers, readers of what was written."""
