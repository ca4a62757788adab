"""What the Apple Neural Engine takes, told from a package and a table of chips, without one at hand."""
