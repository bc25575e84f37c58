"""Adapters: the model as a part of other libraries, each of which is an extra."""
