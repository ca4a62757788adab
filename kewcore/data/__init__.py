"""Datasets in, pixels out."""
