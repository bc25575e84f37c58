"""A finished graph in a browser: an index beside it, access to its data, a server, its pages."""
