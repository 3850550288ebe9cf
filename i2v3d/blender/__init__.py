"""Render a script template, run Blender in a child process, read what it wrote."""
