"""Walks a plan: workers, scheduling, work directories, events."""
