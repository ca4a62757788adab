"""Gates: bounds from a file, verdicts, and what CI servers read of them."""
