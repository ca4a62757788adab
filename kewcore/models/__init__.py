"""Keras networks and the TensorFlow reference."""
