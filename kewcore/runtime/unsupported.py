"""Operations of the public op set that kewcore does not run, so that a user meets them as what they are."""

NOT_RUN: frozenset[str] = frozenset()
"""Source: the operations registered in coremltools 9.0, `converters/mil/mil/ops/defs`, iOS 15 to iOS 18."""
