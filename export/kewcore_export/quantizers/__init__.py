"""Weight quantizers: one NumPy function a form, from a float32 weight to integers, scales, palettes and masks."""
