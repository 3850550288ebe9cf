"""A small scene made by hand: a textured ground with a backdrop, a card cut from the picture, and a turned copy.

The card and the background are projected from the source camera, so with nothing moved the picture is
`photo()` texel for pixel. Mesh folders, layout and script are made with the package's own writers.
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from i2v3d.artifacts.base import Artifact
from i2v3d.artifacts.images import Image
from i2v3d.artifacts.passes import Passes
from i2v3d.artifacts.scene import (
    Blend,
    CameraTrack,
    FrameStates,
    Glb,
    JsonFile,
    Layout,
    Mesh,
    MeshData,
    ObjectRest,
    SceneStatic,
    Script,
    SolvedLayout,
)
from i2v3d.geometry.camera_path import PathKey, Surroundings, view_at
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose, transform_points
from i2v3d.geometry.motion import object_motion, world_from_object_at
from i2v3d.spec import resolved
from i2v3d.stages import assemble, render, rig, scene_script

SIZE = Resolution(256, 144)
TOP = 20  # of the output's window in the photo
PHOTO = Resolution(256, 164)
MARGIN = 64  # pixels by which the background is wider than the photo
CARD = (110, 50, 150, 130)  # left, top, right, bottom in the photo
CARD_DEPTH_M, WALL_M, HEIGHT_M = 7.0, 14.0, 1.6
NASTY = '"); import os'


def source_camera() -> Camera:
    return Camera(Intrinsics.from_fov(math.radians(50), PHOTO), level_camera_pose(HEIGHT_M, math.radians(-2)))


def wide_picture() -> np.ndarray:
    """The background's texture: smooth noise, the photo's size plus the margin on every side."""
    noise = np.random.default_rng(0).normal(0, 1, (PHOTO.height + 2 * MARGIN, PHOTO.width + 2 * MARGIN, 3))
    return np.clip(128 + 180 * gaussian_filter(noise, (1.5, 1.5, 0)), 0, 255).astype(np.uint8)


def card_picture() -> np.ndarray:
    """The card's texture over the whole photo, RGBA, with a soft edge."""
    noise = np.random.default_rng(1).normal(0, 1, (*PHOTO.shape, 3))
    picture = np.zeros((*PHOTO.shape, 4), np.uint8)
    picture[..., :3] = np.clip(100 + 180 * gaussian_filter(noise, (1.5, 1.5, 0)), 0, 255)
    left, top, right, bottom = CARD
    alpha = np.zeros(PHOTO.shape)
    alpha[top:bottom, left:right] = 255
    picture[..., 3] = gaussian_filter(alpha, 1.0).round()
    return picture


def photo() -> np.ndarray:
    """What the source camera sees: the card over the background."""
    card = card_picture().astype(np.float64)
    alpha = card[..., 3:] / 255
    behind = wide_picture()[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.rint(card[..., :3] * alpha + behind * (1 - alpha)).astype(np.uint8)


def _grid_faces(rows: int, columns: int) -> np.ndarray:
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    # Rows run down and columns to the right, so this is counter-clockwise as the source camera sees it.
    return np.concatenate([np.stack([a, d, c], 1), np.stack([a, c, b], 1)]).astype(np.int32)


def background_mesh() -> MeshData:
    camera = source_camera()
    columns = np.linspace(-MARGIN, PHOTO.width + MARGIN, 40)
    rows = np.linspace(-MARGIN, PHOTO.height + MARGIN, 30)
    pixels = np.stack(np.meshgrid(columns, rows), -1)
    rays = camera.intrinsics.rays(pixels) @ camera.world_from_camera[:3, :3].T
    to_ground = np.where(rays[..., 2] < -1e-6, HEIGHT_M / np.maximum(-rays[..., 2], 1e-6), np.inf)
    depth = np.minimum(to_ground, WALL_M / rays[..., 1])
    vertices = camera.world_from_camera[:3, 3] + rays * depth[..., None]
    texture = np.dstack([wide_picture(), np.full(wide_picture().shape[:2], 255, np.uint8)])
    height, width = texture.shape[:2]
    observed = np.zeros((height, width), np.uint8)
    observed[MARGIN:-MARGIN, MARGIN:-MARGIN] = 255
    st = (pixels + MARGIN) / (width, height)
    texcoords = np.dstack([st * depth[..., None], depth])
    return _mesh(vertices, _grid_faces(30, 40), texcoords, texture, observed)


def card_mesh() -> MeshData:
    """An upright card in its own frame, a few pixels larger than the matte."""
    camera = source_camera()
    left, top, right, bottom = CARD
    pixels = np.stack(np.meshgrid(np.linspace(left - 6, right + 6, 5), np.linspace(top - 6, bottom + 6, 6)), -1)
    rays = camera.intrinsics.rays(pixels) @ camera.world_from_camera[:3, :3].T
    depth = CARD_DEPTH_M / rays[..., 1]
    vertices = camera.world_from_camera[:3, 3] + rays * depth[..., None] - card_place()
    texcoords = np.dstack([pixels / (PHOTO.width, PHOTO.height) * depth[..., None], depth])
    observed = np.full(PHOTO.shape, 255, np.uint8)
    return _mesh(vertices, _grid_faces(6, 5), texcoords, card_picture(), observed)


def card_place() -> np.ndarray:
    return np.array([0.1, CARD_DEPTH_M, 0.0])


def _mesh(
    vertices: np.ndarray, faces: np.ndarray, texcoords: np.ndarray, texture: np.ndarray, seen: np.ndarray
) -> MeshData:
    flat = (array.reshape(-1, 3).astype(np.float32) for array in (vertices, texcoords))
    points, coordinates = flat
    return MeshData(points, faces, coordinates, texture, seen)


def solved_layout() -> SolvedLayout:
    camera = source_camera()
    card, copy = np.eye(4), np.eye(4)
    card[:3, 3] = card_place()
    copy[:2, :2] = [[math.cos(0.4), -math.sin(0.4)], [math.sin(0.4), math.cos(0.4)]]
    copy[:3, 3] = (-1.5, 9.0, 0.0)
    nan = float("nan")
    rests = {"card": ObjectRest(card, 1.0, nan, CARD_DEPTH_M), NASTY: ObjectRest(copy, 1.2, nan, 9.0)}
    return SolvedLayout(camera, camera.intrinsics.centre_y_px, 1.0, {}, rests)


def motion_key(frame: float, **channels: object) -> resolved.MotionKey:
    return dataclasses.replace(resolved.MotionKey(frame, None, None, None, None, None, "linear"), **channels)


def camera_key(frame: float, **fields: object) -> resolved.CameraKey:
    still = resolved.CameraKey(frame, 0.0, 0.0, 1.0, None, (0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.0, None, 1.0, "linear")
    return dataclasses.replace(still, **fields)


def scene(frame_count: int = 4, *, has_copy: bool = True, is_still: bool = False) -> resolved.Scene:
    """The scene: the card rises, its copy turns, the camera orbits and zooms; frame 0 is the source view."""
    last = frame_count - 1.0

    def thing(name: str, copy_of: str | None) -> resolved.SceneObject:
        shape = resolved.Card()
        return resolved.SceneObject(
            name, None, copy_of, shape, None, None, (0.0, 0.0, 0.0), None, True, None, "", "objects"
        )

    motion = {
        "card": (motion_key(0.0), motion_key(last, move_m=(0.3, 0.0, 0.8), ease="in_cubic")),
        NASTY: (motion_key(last, rotate_rad=(0.0, 0.3, 0.9), scale=(1.0, 1.0, 1.5), ease="in_out_sine"),),
    }
    orbit = camera_key(last, orbit_azimuth_rad=0.2, orbit_around="card", zoom=1.1, ease="in_out_sine")
    return resolved.Scene(
        name="hand made",
        photo=resolved.Photo(Path("photo.png"), PHOTO, 0, TOP, ""),
        output=resolved.Output(SIZE, 24.0, frame_count),
        camera=resolved.SourceCamera(math.radians(50), HEIGHT_M),
        objects=(thing("card", None), *((thing(NASTY, "card"),) if has_copy else ())),
        background=resolved.Background("backdrop", *[None] * 5, "metric", 0.1, 100.0, 0.2, 0, 0, ()),
        motion={} if is_still else motion,
        camera_path=() if is_still else (camera_key(0.0, orbit_around="card"), orbit),
        keyframing=resolved.Keyframing((0, frame_count - 1)),
        profile="draft",
        backends={"render": "gl"},
        seed=1,
    )


@dataclass(frozen=True)
class Work:
    """A work directory for a stage that is called directly."""

    path: Path
    outputs: dict[str, type[Artifact]]

    def output(self, name: str) -> Path:
        return self.path / f"{name}{self.outputs[name].suffix}"

    def progress(self, share: float, message: str = "") -> None:
        pass

    def warn(self, message: str, *, field: str = "") -> None:
        assert message


def work(path: Path, **outputs: type[Artifact]) -> Work:
    path.mkdir(parents=True)
    return Work(path, outputs)


def write_layout(file: Path, layout: SolvedLayout | None = None) -> Layout:
    written = Layout(file)
    written.write(layout or solved_layout())
    return written


def _skeletons(folder: Path, made: resolved.Scene, layout: Layout) -> tuple[rig.SkeletonFile, ...]:
    """Runs the rig stage on the card for every rigged object."""
    fitted = []
    for index, node in enumerate(rig.nodes(made)):
        mesh = Mesh(folder / f"rigged_{index}")
        mesh.write(card_mesh())
        outputs = work(folder / f"rig_{index}", skeleton=rig.SkeletonFile)
        fitted.append(rig.run(rig.Inputs(mesh, layout), node.params, None, outputs).skeleton)
    return tuple(fitted)


def write_script(folder: Path, made: resolved.Scene, layout: SolvedLayout | None = None) -> Script:
    written = write_layout(folder.parent / f"{folder.name}_layout.json", layout)
    (node,) = scene_script.nodes(made)
    inputs = scene_script.Inputs(written, _skeletons(folder.parent, made, written))
    return scene_script.run(inputs, node.params, None, work(folder, script=Script)).script


def assembled(
    folder: Path, made: resolved.Scene, layout: SolvedLayout | None = None, mesh: MeshData | None = None
) -> assemble.Outputs:
    """Runs Blender on the scene below `folder`, which need not exist; `mesh` may take the place of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    script = write_script(folder / "script", made, layout)
    background, card = Mesh(folder / "background"), Mesh(folder / "card")
    background.write(background_mesh())
    card.write(card_mesh() if mesh is None else mesh)
    (node,) = assemble.nodes(made)
    outputs = work(
        folder / "assemble", static=SceneStatic, states=FrameStates, cameras=CameraTrack, blend=Blend, glb=Glb
    )
    inputs = assemble.Inputs(script, write_layout(folder / "layout.json", layout), background, (card,))
    return assemble.run(inputs, node.params, None, outputs)


@dataclass(frozen=True)
class Cache:
    """A scene cache."""

    static: SceneStatic
    states: FrameStates


def cached(folder: Path, made: resolved.Scene) -> Cache:
    """Writes the scene cache below `folder` by arithmetic alone, as Blender should."""
    layout = solved_layout()
    static, states = SceneStatic(folder / "static"), FrameStates(folder / "states")
    (static.path / "meshes").mkdir(parents=True)
    states.path.mkdir()
    Mesh(static.path / "meshes" / "1").write(background_mesh())
    Mesh(static.path / "meshes" / "2").write(card_mesh())
    entries = [{"name": "Background", "id": 1, "is_foreground": False, "mesh": "meshes/1"}]
    for index, thing in enumerate(made.objects):
        entries.append({"name": thing.name, "id": 2 + index, "is_foreground": True, "mesh": "meshes/2"})
    JsonFile(static.path / "scene.json").write_json({"objects": entries})
    for frame in range(made.output.frame_count):
        states.item(frame).write_arrays(state_at(made, layout, frame))
    return Cache(static, states)


def state_at(made: resolved.Scene, layout: SolvedLayout, frame: int) -> dict[str, np.ndarray]:
    """The frame's camera and transforms."""
    window = layout.camera.intrinsics.window(0, TOP, SIZE)
    middle = np.array([SIZE.width / 2, SIZE.height / 2])
    poses, centres, rest_centres = [np.eye(4)], {}, {}
    card = card_mesh().vertices_m.astype(np.float64)
    centre = (card.min(axis=0) + card.max(axis=0)) / 2
    for thing in made.objects:
        rest = layout.objects[thing.name]
        for motion, found in ((object_motion(made.motion.get(thing.name, ())), centres), ({}, rest_centres)):
            pose = world_from_object_at(motion, frame, rest=rest.world_from_object, scale=rest.scale)
            found[thing.name] = transform_points(pose, centre)
            if found is centres:
                poses.append(pose)
    keys = [
        PathKey(**{field.name: getattr(key, field.name) for field in dataclasses.fields(PathKey)})
        for key in made.camera_path
    ]
    around = Surroundings(layout.camera.world_from_camera, window.rays(middle), rest_centres, centres)
    view = view_at(keys, frame, around)
    k = window.matrix
    k[:2, 2] -= middle
    k[:2] *= view.zoom
    k[:2, 2] += middle
    return {"image_from_camera": k, "world_from_camera": view.world_from_camera, "transforms": np.stack(poses)}


def rendered(
    folder: Path, made: resolved.Scene, outputs: assemble.Outputs | Cache, backend: object, frame: int
) -> render.Outputs:
    """Runs the render stage of one frame on its slice of the states, as the engine would."""
    node = list(render.nodes(made))[frame]
    reference = node.inputs["states"]
    folder.mkdir(parents=True)
    states = FrameStates(folder / "slice")
    states.path.mkdir()
    for index, source in enumerate(range(reference.start, reference.stop)):
        states.item_path(index).write_bytes(outputs.states.item_path(source).read_bytes())
    inputs = render.Inputs(outputs.static, states)
    return render.run(inputs, node.params, backend, work(folder / "work", colour=Image, passes=Passes))
