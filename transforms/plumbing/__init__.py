"""What all transforms share: file systems, ids, and rows on their way to a file."""
