"""The index of a snapshot: what makes single names, facts and documents quick to find."""
