"""Backends that need no weights and no GPU: deterministic, and really useful on a laptop."""
