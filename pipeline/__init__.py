"""The two phases put together: options, command line, manifest."""
