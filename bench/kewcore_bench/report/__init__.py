"""The report: one HTML page, its charts and pictures."""
