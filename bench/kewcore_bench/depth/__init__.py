"""Parity in depth: corrupted images, other input pipelines, drift by layer, occlusion maps."""
