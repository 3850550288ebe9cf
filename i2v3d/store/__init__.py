"""Digests, step keys, content-addressed objects and records, garbage collection."""
