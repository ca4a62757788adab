"""Eight-bit activations: which values are quantised, their ranges from real images, and what that costs."""
