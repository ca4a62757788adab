"""Metrics on labels and probabilities: how good one classifier is, and how close two are. No TensorFlow, ever."""
