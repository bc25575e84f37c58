"""The model of the paper (section 4) as a `transformers` model."""
