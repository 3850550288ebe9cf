"""Typed files that pass between stages."""
