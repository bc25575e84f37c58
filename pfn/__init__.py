"""The Partition Filter Network as a library: reading text, training, evaluation."""
