"""Keras to ML Program to compressed package; the room that owns coremltools."""
