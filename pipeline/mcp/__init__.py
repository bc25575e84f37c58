"""A graph served to an assistant over the Model Context Protocol (`pfn-kg mcp`)."""
