"""From the files that people have to a corpus in Parquet."""
