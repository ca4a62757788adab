"""Compression that recovers by training: the program of a package learns from the model that it came from."""
