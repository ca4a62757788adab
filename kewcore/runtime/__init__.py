"""ML Programs off-Apple: reader, verifier, op registry, reference and fast executors."""
