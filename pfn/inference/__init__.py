"""From text to scored mentions and head triples: words, windows, batches, decoding."""
