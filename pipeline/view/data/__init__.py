"""Access to a finished graph for whoever shows it; nothing here knows of HTTP."""
