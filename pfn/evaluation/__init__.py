"""Evaluation: the scores of section 5, the paper's analyses, and robustness."""
