"""Lowerings, one family of operations a file; importing a file registers them."""
