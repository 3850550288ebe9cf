"""Frames and units, cameras, motion over time, meshes and rasterising: numpy only."""
