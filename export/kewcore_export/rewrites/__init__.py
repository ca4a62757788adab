"""Exact rewrites of a converted program into forms that the Neural Engine takes, one a file."""
