"""Measurement of packages against their references: latency, parity, gates, and the report."""
