"""Metrics on labels and probabilities, in pure NumPy."""
