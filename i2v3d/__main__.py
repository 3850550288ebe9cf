"""`python -m i2v3d` is the `i2v3d` command."""

from i2v3d.cli import run

run()
