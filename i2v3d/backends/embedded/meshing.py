"""The embedded mesher: shapes from one outline, without weights. It stands in for an image-to-3D model.

`inflate` guesses a relief, `lathe` a surface of revolution, `card` and `box` are flat; `file` loads a mesh of
the user's. What the photo does not show is completed from what it shows; no model invents it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from i2v3d.artifacts.scene import MeshData, SolvedLayout
from i2v3d.backends.embedded.inflate import inflate
from i2v3d.backends.embedded.lathe import lathe
from i2v3d.backends.embedded.mesh_files import load_mesh_file
from i2v3d.backends.embedded.mesh_sequences import load_mesh_sequence
from i2v3d.backends.embedded.primitives import box, card
from i2v3d.geometry.frames import Array
from i2v3d.spec.resolved import Box, Card, Inflate, Lathe, MeshShape


class ShapeMesher:
    """Implements `Mesher` for every declared shape."""

    def lift(self, cut_out: Array, layout: SolvedLayout, name: str, shape: MeshShape) -> MeshData:
        """Returns the mesh in the object's frame, exact in the source view; see `Mesher.lift`.

        For a mesh file the cut-out is not read; its mesh is in the file's own units.
        """
        match shape:
            case Inflate():
                return inflate(cut_out, layout, name, shape)
            case Lathe():
                return lathe(cut_out, layout, name, shape)
            case Card():
                return card(cut_out, layout, name)
            case Box():
                return box(cut_out, layout, name, shape)
            case _:
                return load_mesh_file(shape.file)

    def load_sequence(self, files: Sequence[Path]) -> tuple[MeshData, Array]:
        """Returns a mesh and its vertices over time; see `Mesher.load_sequence`."""
        return load_mesh_sequence(files)
