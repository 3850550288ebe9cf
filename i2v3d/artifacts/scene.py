"""The 3D side on disk: the solved layout, meshes, views, the scene cache, and rendered passes.

Arrays are stored as uncompressed .npz without pickles (numpy writes a fixed date, so equal arrays
give equal bytes). World and camera conventions are those of `geometry.frames`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from i2v3d.artifacts.base import Artifact, Sequence
from i2v3d.artifacts.images import CutOut, Image, Matte
from i2v3d.errors import ArtifactError
from i2v3d.geometry.frames import Array, Camera, Intrinsics, Resolution


@dataclass(frozen=True)
class JsonFile(Artifact):
    """A JSON document with sorted keys."""

    suffix: ClassVar[str] = ".json"

    def write_json(self, document: Any) -> None:  # Any: JSON
        """Writes the document; floats keep full precision."""
        self.path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")

    def read_json(self) -> Any:  # Any: JSON
        """Returns the document."""
        return json.loads(self.path.read_text(encoding="utf-8"))

    def check(self) -> None:
        """Checks that the file parses."""
        super().check()
        try:
            self.read_json()
        except ValueError as error:
            raise ArtifactError(f"{self.path.name}: not JSON: {error}") from error


@dataclass(frozen=True)
class NpzFile(Artifact):
    """Named arrays, no pickles."""

    suffix: ClassVar[str] = ".npz"
    required: ClassVar[tuple[str, ...]] = ()

    def write_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Writes the arrays in name order."""
        with self.path.open("wb") as file:
            np.savez(file, **{name: arrays[name] for name in sorted(arrays)})

    def read_arrays(self) -> dict[str, Array]:
        """Returns every array."""
        with np.load(self.path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    def check(self) -> None:
        """Checks that the archive opens and holds the required names."""
        super().check()
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                names = set(archive.files)
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{self.path.name}: not an array archive: {error}") from error
        if missing := set(self.required) - names:
            raise ArtifactError(f"{self.path.name}: lacks {', '.join(sorted(missing))}")


def camera_to_json(camera: Camera) -> dict[str, Any]:
    """Returns a camera as JSON; inverse of `camera_from_json`."""
    k = camera.intrinsics
    return {
        "resolution": [k.resolution.width, k.resolution.height],
        "focal_px": [k.focal_x_px, k.focal_y_px],
        "centre_px": [k.centre_x_px, k.centre_y_px],
        "world_from_camera": np.asarray(camera.world_from_camera).tolist(),
    }


def camera_from_json(document: Mapping[str, Any]) -> Camera:
    """Returns the camera written by `camera_to_json`."""
    focal_x, focal_y = document["focal_px"]
    centre_x, centre_y = document["centre_px"]
    intrinsics = Intrinsics(focal_x, focal_y, centre_x, centre_y, Resolution(*document["resolution"]))
    return Camera(intrinsics, np.array(document["world_from_camera"], dtype=np.float64))


@dataclass(frozen=True)
class ObjectRest:
    """Where an object stands in the world before anything moves.

    Attributes:
        world_from_object: 4x4 rigid; the object's axes at rest are the world's (turned only by `place`).
        scale: Uniform factor from the mesh's own units to metres (1.0 for reconstructed meshes).
        contact_y_px: The photo row of its lowest visible pixel (or of `contact:`); NaN for added objects.
        depth_m: z-depth of the object's base in the source camera.
    """

    world_from_object: Array
    scale: float
    contact_y_px: float
    depth_m: float


@dataclass(frozen=True)
class SolvedLayout:
    """The source camera and where everything stands, in metres.

    Attributes:
        camera: The source camera over the whole prepared photo.
        horizon_y_px: Row of the horizon in the prepared photo.
        metres_per_unit: What the default scale (camera height as declared) was multiplied by.
        background: Kind and numbers of the background surfaces, as `stages/layout.py` documents.
        objects: Rest pose by object name.
    """

    camera: Camera
    horizon_y_px: float
    metres_per_unit: float
    background: Mapping[str, Any]
    objects: Mapping[str, ObjectRest]


@dataclass(frozen=True)
class Layout(JsonFile):
    """A `SolvedLayout` on disk."""

    def write(self, layout: SolvedLayout) -> None:
        """Writes the layout."""
        self.write_json(
            {
                "camera": camera_to_json(layout.camera),
                "horizon_y_px": layout.horizon_y_px,
                "metres_per_unit": layout.metres_per_unit,
                "background": dict(layout.background),
                "objects": {
                    name: {
                        "world_from_object": np.asarray(rest.world_from_object).tolist(),
                        "scale": rest.scale,
                        "contact_y_px": None if np.isnan(rest.contact_y_px) else rest.contact_y_px,
                        "depth_m": rest.depth_m,
                    }
                    for name, rest in layout.objects.items()
                },
            }
        )

    def read(self) -> SolvedLayout:
        """Returns the layout."""
        document = self.read_json()
        return SolvedLayout(
            camera=camera_from_json(document["camera"]),
            horizon_y_px=document["horizon_y_px"],
            metres_per_unit=document["metres_per_unit"],
            background=document["background"],
            objects={
                name: ObjectRest(
                    np.array(rest["world_from_object"], dtype=np.float64),
                    rest["scale"],
                    float("nan") if rest["contact_y_px"] is None else rest["contact_y_px"],
                    rest["depth_m"],
                )
                for name, rest in document["objects"].items()
            },
        )


@dataclass(frozen=True)
class MeshData:
    """A textured triangle mesh in its object's own frame (origin at the pivot, metres, Z up).

    Attributes:
        vertices_m: float32 (vertices, 3).
        faces: int32 (faces, 3), counter-clockwise seen from outside.
        texcoords: float32 (vertices, 3), homogeneous (s, t, q): the texture is read at (s / q, t / q),
            (0, 0) = first corner of the first texel, (1, 1) = last corner of the last one. q = 1 for an
            ordinary atlas; q = z-depth in the projecting camera makes a photo's projection exact
            however large a triangle is.
        texture: uint8 (height, width, 4) sRGB with straight alpha; colours are bled past the alpha edge.
        is_observed: uint8 (height, width): 255 where a texel's colour was seen in the photo.
    """

    vertices_m: Array
    faces: Array
    texcoords: Array
    texture: Array
    is_observed: Array


@dataclass(frozen=True)
class Mesh(Artifact):
    """A `MeshData` on disk: `geometry.npz`, `texture.png`, `observed.png`."""

    def write(self, mesh: MeshData) -> None:
        """Writes the mesh into a new folder."""
        self.path.mkdir()
        NpzFile(self.path / "geometry.npz").write_arrays(
            {
                "vertices_m": np.asarray(mesh.vertices_m, np.float32),
                "faces": np.asarray(mesh.faces, np.int32),
                "texcoords": np.asarray(mesh.texcoords, np.float32),
            }
        )
        CutOut(self.path / "texture.png").write(mesh.texture)
        Matte(self.path / "observed.png").write(mesh.is_observed)

    def read(self) -> MeshData:
        """Returns the mesh."""
        arrays = NpzFile(self.path / "geometry.npz").read_arrays()
        return MeshData(
            arrays["vertices_m"],
            arrays["faces"],
            arrays["texcoords"],
            CutOut(self.path / "texture.png").read(),
            Matte(self.path / "observed.png").read(),
        )

    def check(self) -> None:
        """Checks shapes, ranges and finiteness."""
        super().check()
        mesh = self.read()
        count = len(mesh.vertices_m)
        if count == 0 or len(mesh.faces) == 0:
            raise ArtifactError(f"{self.path.name}: an empty mesh")
        if mesh.texcoords.shape != (count, 3) or mesh.vertices_m.shape != (count, 3):
            raise ArtifactError(f"{self.path.name}: vertices and texture coordinates differ in number")
        if mesh.faces.min() < 0 or mesh.faces.max() >= count:
            raise ArtifactError(f"{self.path.name}: a face names a vertex that does not exist")
        if not (np.isfinite(mesh.vertices_m).all() and np.isfinite(mesh.texcoords).all()):
            raise ArtifactError(f"{self.path.name}: a coordinate is not finite")
        if mesh.texture.shape[:2] != mesh.is_observed.shape:
            raise ArtifactError(f"{self.path.name}: texture and observed map differ in size")


@dataclass(frozen=True)
class View:
    """A picture with the camera that took it.

    Attributes:
        colour: uint8 (height, width, 4) sRGB, straight alpha.
        is_observed: uint8 (height, width): 255 where the colour comes from the user's photo.
        camera: World camera, or the camera in the object's frame for views of one object.
    """

    colour: Array
    is_observed: Array
    camera: Camera


@dataclass(frozen=True)
class Views(Artifact):
    """Pictures with cameras: `00.png`, `00_observed.png`, ..., `cameras.json`."""

    def write(self, views: tuple[View, ...]) -> None:
        """Writes the views into a new folder."""
        self.path.mkdir()
        for index, view in enumerate(views):
            CutOut(self.path / f"{index:02d}.png").write(view.colour)
            Matte(self.path / f"{index:02d}_observed.png").write(view.is_observed)
        JsonFile(self.path / "cameras.json").write_json([camera_to_json(view.camera) for view in views])

    def read(self) -> tuple[View, ...]:
        """Returns the views."""
        cameras = JsonFile(self.path / "cameras.json").read_json()
        return tuple(
            View(
                CutOut(self.path / f"{index:02d}.png").read(),
                Matte(self.path / f"{index:02d}_observed.png").read(),
                camera_from_json(camera),
            )
            for index, camera in enumerate(cameras)
        )


@dataclass(frozen=True)
class Script(Artifact):
    """A generated Blender script: `scene.py` and the `lib/` it imports. Assets are put beside it when it runs."""


@dataclass(frozen=True)
class Blend(Artifact):
    """A .blend file; its bytes are never stable, its truth is the scene cache written with it."""

    suffix: ClassVar[str] = ".blend"
    is_volatile: ClassVar[bool] = True


@dataclass(frozen=True)
class Glb(Artifact):
    """A binary glTF file."""

    suffix: ClassVar[str] = ".glb"


@dataclass(frozen=True)
class SceneStatic(Artifact):
    """The part of the scene cache that does not change over time.

    `scene.json` lists the objects in id order (id 1 is the background, 0 means nothing is there):
    `{"objects": [{"name", "id", "is_foreground", "mesh": "meshes/<id>"}]}`; each mesh folder is a `Mesh`.
    """


@dataclass(frozen=True)
class FrameState(NpzFile):
    """One frame of the scene cache.

    Arrays: `image_from_camera` (3, 3) float64 in pixels of the output, `world_from_camera` (4, 4)
    float64 with OpenCV axes, `transforms` (objects, 4, 4) float64 `world_from_object` in id order,
    and for each deforming object `vertices_<id>` float32 (vertices, 3) world positions, which then
    take the place of its transform and rest vertices. Where the camera is no pinhole, `depth_of_field`
    (2,) float64: the z-depth that is sharp and the diameter of the lens's opening, metres.
    """

    required: ClassVar[tuple[str, ...]] = ("image_from_camera", "world_from_camera", "transforms")


@dataclass(frozen=True)
class FrameStates(Sequence[FrameState]):
    """The scene cache over time, one item a frame."""

    item_type: ClassVar[type[Artifact]] = FrameState


@dataclass(frozen=True)
class FramePasses:
    """What is known of each pixel of a rendered frame besides its colour.

    Attributes:
        depth_m: float32 (height, width), planar z-depth in metres, +inf where nothing is.
        ids: uint8 (height, width), object ids of `SceneStatic`, 0 where nothing is.
        is_observed: bool (height, width), True where the surface's colour was seen in the photo.
        flow_forward_px: float32 (height, width, 2), motion of the surface to the next frame, x right, y down.
        flow_backward_px: float32 (height, width, 2), the same to the previous frame.
        has_next, has_previous: False at the ends of the clip, where that flow is all zero.
    """

    depth_m: Array
    ids: Array
    is_observed: Array
    flow_forward_px: Array
    flow_backward_px: Array
    has_next: bool
    has_previous: bool


@dataclass(frozen=True)
class CameraTrack(JsonFile):
    """Cameras over time for other programs, with axes and units stated in the file."""


@dataclass(frozen=True)
class Video(Artifact):
    """An H.264 MP4 file."""

    suffix: ClassVar[str] = ".mp4"


@dataclass(frozen=True)
class WebM(Artifact):
    """A VP9 WebM file."""

    suffix: ClassVar[str] = ".webm"


@dataclass(frozen=True)
class Gif(Artifact):
    """An animated GIF."""

    suffix: ClassVar[str] = ".gif"


__all__ = [
    "Blend",
    "CameraTrack",
    "FramePasses",
    "FrameState",
    "FrameStates",
    "Gif",
    "Glb",
    "Image",
    "JsonFile",
    "Layout",
    "Mesh",
    "MeshData",
    "NpzFile",
    "ObjectRest",
    "SceneStatic",
    "Script",
    "SolvedLayout",
    "Video",
    "WebM",
    "View",
    "Views",
    "camera_from_json",
    "camera_to_json",
]
