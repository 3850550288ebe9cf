"""Rig presets and motion clips as data, and how a preset is fitted to a mesh."""
