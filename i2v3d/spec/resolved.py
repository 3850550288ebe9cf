"""The scene as the compiler sees it: every default filled in, every unit converted, every name resolved.

`spec.model` is the spec as given; `spec.resolve` turns it into these frozen records and reports
what can't be resolved with its line. Units: pixels of the prepared photo, metres, radians, frame
numbers from zero. Stages read nothing else of a spec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from i2v3d.geometry.resolution import Resolution
from i2v3d.spec.resolved_expect import Expectations
from i2v3d.spec.resolved_generation import Generation
from i2v3d.spec.resolved_motion import MeshPlay as MeshPlay
from i2v3d.spec.resolved_motion import MotionKey as MotionKey
from i2v3d.spec.resolved_motion import RigClip as RigClip
from i2v3d.spec.resolved_motion import RigMotion as RigMotion
from i2v3d.spec.resolved_motion import Vector as Vector
from i2v3d.spec.resolved_physics import Deforming, DepthOfField, MeshDetail, RigidBody

Profile = Literal["draft", "paper", "modern"]
_CURVES = ("sine", "quad", "cubic", "quart", "expo", "back", "bounce", "elastic")
EASINGS = ("linear", "constant", *(f"{way}_{curve}" for curve in _CURVES for way in ("in", "out", "in_out")))
# `in`, `out`, `in_out` alone mean the sine curve. Each easing shapes the interval that ENDS at its key.


@dataclass(frozen=True)
class Photo:
    """The user's photo and how it becomes the working picture.

    The working ("prepared") photo is the whole photo, EXIF-rotated, converted to 8-bit sRGB, and scaled so
    that the output window fits 1:1. Mask prompts and everything called "photo pixels" refer to it.

    Attributes:
        file: The photo.
        size: Size of the prepared photo.
        window_left, window_top: Integer first corner of the output window in the prepared photo.
        prompt: Text for generative backends.
    """

    file: Path
    size: Resolution
    window_left: int
    window_top: int
    prompt: str


@dataclass(frozen=True)
class Output:
    """The clip: its size (even numbers), rate and number of frames (duration times rate, plus one).

    is_loop: The last frame is meant to equal the first.
    formats: Of the finished clip: always `mp4`, and `webm`, `gif`, `png` (single frames) where they are wanted.
    """

    size: Resolution
    fps: float
    frame_count: int
    is_loop: bool = False
    formats: tuple[str, ...] = ("mp4",)


@dataclass(frozen=True)
class SourceCamera:
    """What is declared of the camera that took the photo; `stages/layout.py` solves the rest."""

    fov_rad: float
    height_m: float


@dataclass(frozen=True)
class Prompts:
    """What the user says of an object's outline, in photo pixels; several kinds are combined.

    Attributes:
        box: (left, top, right, bottom) or None.
        include_points, exclude_points: (x, y) on the thing, and on what is not.
        polygons: Rough outlines, each three or more (x, y).
        mask_file: A mask picture of the photo's shape (any size), white = thing; None without.
        band_px: Half width of the band around the outline in which it is found automatically.
        soft_px: Half width of the band in which the matte may be soft.
    """

    box: tuple[float, float, float, float] | None
    include_points: tuple[tuple[float, float], ...]
    exclude_points: tuple[tuple[float, float], ...]
    polygons: tuple[tuple[tuple[float, float], ...], ...]
    mask_file: Path | None
    band_px: float
    soft_px: float


@dataclass(frozen=True)
class Inflate:
    """A relief with a half-elliptic section over the outline. thickness: share of the smaller extent."""

    thickness: float
    back: Literal["mirror", "smooth"]


@dataclass(frozen=True)
class Lathe:
    """A surface of revolution about the outline's middle line."""

    segments: int


@dataclass(frozen=True)
class Card:
    """A flat picture that stands where the object stands."""


@dataclass(frozen=True)
class Box:
    """A cuboid behind the outline. depth_m: None = as deep as wide."""

    depth_m: float | None


@dataclass(frozen=True)
class MeshFile:
    """A mesh of the user's (.glb, .gltf, .obj, .ply, .stl, .fbx), its base put where the object stands."""

    file: Path


@dataclass(frozen=True)
class MeshSequence(MeshFile):
    """Meshes of the user's over time: `file`, then those `later`; or one .abc, read `abc_fps` times a second."""

    later: tuple[Path, ...] = ()
    abc_fps: float | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Returns all of them."""
        return (self.file, *self.later)


@dataclass(frozen=True)
class TextShape:
    """Letters with depth. font: None = Blender's own; depth_m: None = a fifth of a line's height."""

    content: str
    font: Path | None
    depth_m: float | None


MeshShape = Inflate | Lathe | Card | Box | MeshFile


@dataclass(frozen=True)
class MeshEdits:
    """Changes of an object's finished mesh, in the order of these fields.

    Attributes:
        replaced_by: Object whose mesh stands in its place, fitted to its box, or None.
        replaced_file: A mesh file in its place, or None.
        part: `top`, `bottom`, `left` or `right` half that shape edits change; None for all of it.
        scale: Factor per axis.
        bend_rad: Bend to the right along the height.
        twist_rad: Twist about the vertical along the height.
        displace_file: Height picture laid round the object, or None.
        displace_m: How far white is pushed outwards; None = a twentieth of the height.
        image_file: Picture that replaces the texture, or None.
        tint: Factors 0..1 on linear red, green, blue, or None.
        detail: How finely it must be cut because it deforms, or None.
    """

    replaced_by: str | None = None
    replaced_file: Path | None = None
    part: str | None = None
    scale: Vector = (1.0, 1.0, 1.0)
    bend_rad: float = 0.0
    twist_rad: float = 0.0
    displace_file: Path | None = None
    displace_m: float | None = None
    image_file: Path | None = None
    tint: Vector | None = None
    detail: MeshDetail | None = None


@dataclass(frozen=True)
class Place:
    """Where an added object stands: a point in metres, world axes, relative to the ground under the origin.

    Attributes:
        at_m: World position of the object's pivot.
        is_relative: True when `at_m` is an offset from the rest place of the object it copies.
        turn_rad: Turn about the world's Z axis.
        on: Object that it stands on: `at_m` is then counted from that object's pivot, its height found; or
            `ground` where the ground has no declared height (a depth file).
    """

    at_m: Vector
    is_relative: bool
    turn_rad: float
    on: str | None = None


@dataclass(frozen=True)
class SceneObject:
    """One object. Exactly one of `prompts`, `copy_of`, or a MeshFile shape with `place` gives its pixels or geometry.

    Attributes:
        name: Any text; used for names only.
        prompts: Outline prompts, for an object that is in the photo.
        copy_of: Name of the object whose mesh it shares.
        shape: How it gets depth; that of the original for a copy.
        place: Where an added or copied object stands; None keeps a photo object where it was seen.
        height_m: Real height, which fixes the scale of the scene (photo objects) or of the mesh (files).
        pivot_m: Offset of the pivot from the centre of the base, in metres, object axes.
        contact_y_px: Photo row of its contact with the ground, when the lowest visible row is not it.
        is_standing: True = stands on the ground; False = floats at `distance_m` (a head cut by the frame).
        distance_m: z-depth for an object that does not stand on the ground, or None.
        class_name: Text for generative backends, or empty.
        spec_path: `objects.rocket`.
        edits: Changes of its mesh, or None.
        is_removed: It is cut out of the picture and not drawn.
        parent: Object whose motion it takes part in, or None.
        parent_bone: Bone of the parent's rig that carries it; empty for the whole parent.
        is_gripped: Its pivot is put into that bone's grip.
        mesh_of: Object whose finished mesh it shows; None = that of `copy_of`, else its own.
    """

    name: str
    prompts: Prompts | None
    copy_of: str | None
    shape: MeshShape | TextShape
    place: Place | None
    height_m: float | None
    pivot_m: Vector
    contact_y_px: float | None
    is_standing: bool
    distance_m: float | None
    class_name: str
    spec_path: str
    edits: MeshEdits | None = None
    is_removed: bool = False
    parent: str | None = None
    mesh_of: str | None = None
    parent_bone: str = ""
    is_gripped: bool = False

    @property
    def mesh_owner(self) -> str:
        """Name of the object whose finished mesh it shows."""
        return self.mesh_of or self.copy_of or self.name


@dataclass(frozen=True)
class Background:
    """The declared layout of what is behind the objects.

    Attributes:
        layout: `ground_and_backdrop` (ground plane up to the contact row of an upright backdrop), `plane`
            (a table seen from above: the whole photo lies on the ground plane), `backdrop` (one upright
            plane), `room` (box room from its back wall), `dome` (ground plane under a far sky), `depth`
            (a depth file).
        horizon_y_px: Row of the horizon (may be far outside the picture), or None to derive it.
        contact_y_px: Row where the backdrop meets the ground, or None (then just below the horizon).
        back_wall_px: (left, top, right, bottom) of a room's back wall, or None.
        distance_m: Distance of the backdrop or dome, or None to derive it.
        depth_file: A depth map (.npy, 16-bit .png), or None.
        depth_kind: `metric` z-depth in metres, or `inverse` (near = large), scaled between near and far.
        near_m, far_m: Range for inverse depth maps.
        margin: How far the picture is widened on each side, as a share of its width and height.
        hole_grow_px: How far object holes are grown on every side before filling.
        shadow_grow_px: How far they are grown downwards, over the contact shadow.
        forbidden: Polygons in photo pixels that must not be used as a source of filling.
    """

    layout: Literal["ground_and_backdrop", "plane", "backdrop", "room", "dome", "depth"]
    horizon_y_px: float | None
    contact_y_px: float | None
    back_wall_px: tuple[float, float, float, float] | None
    distance_m: float | None
    depth_file: Path | None
    depth_kind: Literal["metric", "inverse"]
    near_m: float
    far_m: float
    margin: float
    hole_grow_px: int
    shadow_grow_px: int
    forbidden: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True)
class CameraKey:
    """A key of the camera path: a pose relative to the source view, composed in the order of these fields.

    Every number is interpolated from the key before with this key's easing; a field left out keeps the
    value it had at the key before (the source view at the start).

    Attributes:
        frame: May be fractional.
        orbit_azimuth_rad, orbit_elevation_rad: Turn about the vertical axis through `orbit_around` (positive =
            the camera travels to its right, counter-clockwise seen from above), and lift over it; the camera
            keeps aiming as it did relative to that point.
        orbit_distance: Factor on the distance to `orbit_around`.
        orbit_around: Object name, or a world point in metres, or None.
        move_m: World axes.
        dolly_m: Forward along the horizontal viewing direction of the camera so far.
        pan_rad: Turn about the world's vertical, positive to the right.
        tilt_rad: Positive up.
        roll_rad: About the viewing axis, positive clockwise as seen through the camera.
        look_at: Object name, or world point, or None: overrides pan and tilt.
        zoom: Factor on the focal length.
        ease: One of EASINGS.
        travel: Right, up and forward on the level, from where orbit, move and dolly lead to.
        travel_per: Unit of `travel`: None for metres, else the source camera's distance to this point at rest.
        approach: Way along the ray through the middle of the picture, as a share of the depth of `keep_size`.
        keep_size: Object name, or world point, or None: the zoom keeps its size in the picture, wherever
            camera and object go.
    """

    frame: float
    orbit_azimuth_rad: float
    orbit_elevation_rad: float
    orbit_distance: float
    orbit_around: str | Vector | None
    move_m: Vector
    dolly_m: float
    pan_rad: float
    tilt_rad: float
    roll_rad: float
    look_at: str | Vector | None
    zoom: float
    ease: str
    travel: Vector = (0.0, 0.0, 0.0)
    travel_per: str | Vector | None = None
    approach: float = 0.0
    keep_size: str | Vector | None = None


@dataclass(frozen=True)
class CameraFollow:
    """A camera that goes after an object: `moving` with it, or `turning` towards it, this much later."""

    object: str
    lag_s: float
    by: Literal["moving", "turning"]


@dataclass(frozen=True)
class CameraShake:
    """A hand's shake. amount: 1 is a calm hand; frequency_hz: its slowest swing; seed: which hand."""

    amount: float
    frequency_hz: float
    seed: int


@dataclass(frozen=True)
class CameraPathFile:
    """Cameras from another program.

    Attributes:
        lens_file: The `cameras.txt` beside a COLMAP model's `images.txt`, or None.
        format: One of the formats of `geometry.camera_files`, or `blend`.
        is_relative: True = the first camera is put in the source view's place; False = poses are the world's.
        scale: Factor on the lengths of the file.
        camera: Which camera of a .blend or .glb; empty for the scene's own, or the first.
    """

    file: Path
    lens_file: Path | None
    format: str
    is_relative: bool
    scale: float
    camera: str


@dataclass(frozen=True)
class CameraThrough:
    """A flight through the views from which this object was reconstructed, this share of the way to each."""

    object: str
    reach: float = 1.0


@dataclass(frozen=True)
class CameraRig:
    """What moves the camera besides keys: at most one of `file` and `through`, which take the keys' place."""

    follow: CameraFollow | None = None
    shake: CameraShake | None = None
    file: CameraPathFile | None = None
    through: CameraThrough | None = None


@dataclass(frozen=True)
class Keyframing:
    """Which frames are refined as keyframes: the first, the last, and those between."""

    frames: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """A whole scene, ready to compile.

    Attributes:
        name: Names its output folder and its builds.
        backends: Catalog id by stage kind; every stage that needs a backend is in it.
        seed: Seed of everything random.
        generation: What only generative backends read.
        blend_file: An artist's .blend in place of the generated scene, or None.
        bodies: Rigid bodies by object name, in the order of the objects.
        rigs: By object name.
        deforming: Cloths and soft bodies by object name, in the order of the objects.
        depth_of_field: None for a pinhole.
        sequences: When the objects whose meshes come as sequences show which, in the order of the objects.
        title: What the script calls it: the name without variant and sweeps, so that variants that differ in
            nothing the script says share it.
        expect: What a regression check holds the result to; read by no stage.
    """

    name: str
    photo: Photo
    output: Output
    camera: SourceCamera
    objects: tuple[SceneObject, ...]
    background: Background
    motion: Mapping[str, tuple[MotionKey, ...]]
    camera_path: tuple[CameraKey, ...]
    keyframing: Keyframing
    profile: Profile
    backends: Mapping[str, str]
    seed: int
    generation: Generation = field(default_factory=Generation)
    camera_rig: CameraRig = CameraRig()
    blend_file: Path | None = None
    bodies: Mapping[str, RigidBody] = field(default_factory=lambda: MappingProxyType({}))
    rigs: Mapping[str, RigMotion] = field(default_factory=dict)
    deforming: Mapping[str, Deforming] = field(default_factory=dict)
    depth_of_field: DepthOfField | None = None
    sequences: Mapping[str, MeshPlay] = field(default_factory=dict)
    title: str = ""
    expect: Expectations = field(default_factory=Expectations)

    @property
    def drawn(self) -> tuple[SceneObject, ...]:
        """The objects that are in the scene, in spec order: their ids are 2, 3, ..."""
        return tuple(thing for thing in self.objects if not thing.is_removed)
