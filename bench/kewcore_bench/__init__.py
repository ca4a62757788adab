"""Measurement, statistics, gates and reports."""
