"""The report: one HTML page per build that needs nothing else, not even a network."""
