"""Reference kernels, one family of operations a file; importing a file registers its operations."""
