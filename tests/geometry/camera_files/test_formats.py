"""Each format against cameras worked out by hand, and there and back again with random ones."""

import json
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from i2v3d.geometry.camera_files import FORMATS, CameraFileError, guess_format, read_cameras, write_cameras
from i2v3d.geometry.camera_files.path import CameraPath
from i2v3d.geometry.camera_files.unreal import rotation_of_rotator, rotator_of
from i2v3d.geometry.frames import Camera, Intrinsics, Resolution, level_camera_pose
from i2v3d.geometry.motion import rotation_from_euler

SIZE = Resolution(1024, 576)


def random_path(seed: int, count: int = 12, *, size: Resolution = SIZE) -> CameraPath:
    """Cameras anywhere, turned anyhow, with lenses off the middle that zoom."""
    chance = np.random.default_rng(seed)
    cameras = []
    for _ in range(count):
        pose = np.eye(4)
        pose[:3, :3] = rotation_from_euler(chance.uniform(-np.pi, np.pi, 3))
        pose[:3, 3] = chance.normal(0, 20, 3)
        focal = chance.uniform(300, 2500)
        lens = Intrinsics(focal, focal, *chance.uniform(100, 900, 2), size)
        cameras.append(Camera(lens, pose))
    return CameraPath(tuple(cameras), tuple(index / 24 for index in range(count)))


def one(pose: np.ndarray) -> CameraPath:
    return CameraPath((Camera(Intrinsics(800.0, 800.0, 512.0, 200.0, SIZE), pose),), (0.0,))


def level_source() -> np.ndarray:
    """The source camera of a scene: at 1.6 m, looking along +Y of the world."""
    return level_camera_pose(1.6, 0.0)


def looking_right() -> np.ndarray:
    """At (2, 3, 1) metres, looking along +X of the world, upright: right is -Y, down is -Z."""
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]]).T
    pose[:3, 3] = (2, 3, 1)
    return pose


def far_apart(first: CameraPath, second: CameraPath) -> float:
    """The largest relative difference of places, turns and lenses."""
    worst = 0.0
    for a, b in zip(first.cameras, second.cameras, strict=True):
        reach = np.linalg.norm(a.world_from_camera[:3, 3])
        worst = max(worst, np.linalg.norm(a.world_from_camera[:3, 3] - b.world_from_camera[:3, 3]) / reach)
        worst = max(worst, np.abs(a.world_from_camera[:3, :3] - b.world_from_camera[:3, :3]).max())
        worst = max(
            worst,
            np.abs(a.intrinsics.matrix / np.where(a.intrinsics.matrix, b.intrinsics.matrix, 1) - 1)[
                a.intrinsics.matrix != 0
            ].max(),
        )
        assert a.intrinsics.resolution == b.intrinsics.resolution
    return worst


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("seed", range(8))
def test_random_paths_come_back_within_a_millionth(name, seed, tmp_path):
    path = random_path(seed)
    back = read_cameras(write_cameras(tmp_path, name, path), name)
    assert far_apart(path, back) <= (1e-6 if name == "glb" else 1e-11)
    assert back.has_lens
    assert back.times_s == pytest.approx(path.times_s, abs=2e-6)
    assert back.fps == pytest.approx(24, rel=1e-5)


@pytest.mark.parametrize("name", FORMATS)
def test_equal_paths_give_equal_bytes_and_every_file_states_its_axes(name, tmp_path):
    first = write_cameras(tmp_path / "a", name, random_path(3))
    second = write_cameras(tmp_path / "b", name, random_path(3))
    assert first.read_bytes() == second.read_bytes()
    for word in (b"forward", b"metres") if name != "unreal" else (b"forward", b"centimetres"):
        assert word.replace(b"forward", b"backward" if name in ("glb", "opengl") else b"forward") in first.read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_of_what_was_written_is_guessed(name, tmp_path):
    file = write_cameras(tmp_path, name, random_path(1, 2))
    assert guess_format(file) == name


def read_one(file: Path, name: str) -> np.ndarray:
    (camera,) = read_cameras(file, name).cameras
    return camera.world_from_camera


def test_opencv_by_hand(tmp_path):
    frame = json.loads(write_cameras(tmp_path, "opencv", one(looking_right())).read_text())["frames"][0]
    assert frame["world_from_camera"] == [[0, 0, 1, 2], [-1, 0, 0, 3], [0, -1, 0, 1], [0, 0, 0, 1]]
    assert frame["image_from_camera"] == [[800, 0, 512], [0, 800, 200], [0, 0, 1]]
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps([frame["world_from_camera"]]))
    assert read_one(bare, "opencv") == pytest.approx(looking_right())
    assert not read_cameras(bare, "opencv").has_lens


def test_opengl_by_hand(tmp_path):
    frame = json.loads(write_cameras(tmp_path, "opengl", one(looking_right())).read_text())["frames"][0]
    # Columns: right (-Y), up (+Z), backward (-X), place.
    assert frame["transform_matrix"] == [[0, 0, -1, 2], [-1, 0, 0, 3], [0, 1, 0, 1], [0, 0, 0, 1]]
    plain = tmp_path / "nerf.json"
    matrix = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 1.6], [0, 0, 0, 1]]  # NeRF's: looks along +Y
    plain.write_text(json.dumps({"camera_angle_x": math.radians(90), "frames": [{"transform_matrix": matrix}]}))
    (camera,) = read_cameras(plain, "opengl").cameras
    assert camera.world_from_camera == pytest.approx(level_source())
    assert camera.intrinsics.focal_x_px == pytest.approx(camera.intrinsics.resolution.width / 2)


def test_colmap_by_hand(tmp_path):
    file = write_cameras(tmp_path, "colmap", one(level_source()))
    line = next(line for line in file.read_text().splitlines() if not line.startswith("#")).split()
    # Camera from world: x = X, y = -Z, z = Y is a quarter turn about x; a point at the origin is 1.6 m below.
    half = math.sqrt(0.5)
    assert [float(word) for word in line[1:8]] == pytest.approx([half, half, 0, 0, 0, 1.6, 0])
    lens = [text for text in (tmp_path / "cameras.txt").read_text().splitlines() if not text.startswith("#")]
    assert lens == ["1 PINHOLE 1024 576 800.0 800.0 512.0 200.0"]


def test_colmap_reads_pictures_in_the_order_of_their_names_and_points_between_them(tmp_path):
    (tmp_path / "cameras.txt").write_text("7 SIMPLE_PINHOLE 640 480 500 320 240\n")
    (tmp_path / "images.txt").write_text(
        "# a comment\n"
        "1 1 0 0 0 -10 0 0 7 frame 10.png\n5.0 6.0 -1 7.0 8.0 3\n"
        "2 1 0 0 0 -2 0 0 7 frame 2.png\n\n"
        "3 1 0 0 0 -1 0 0 7 frame 1.png\n"
    )
    path = read_cameras(tmp_path, "colmap")
    assert [camera.world_from_camera[0, 3] for camera in path.cameras] == [1, 2, 10]
    assert path.cameras[0].intrinsics == Intrinsics(500, 500, 320, 240, Resolution(640, 480))


def test_realestate10k_by_hand(tmp_path):
    file = write_cameras(tmp_path, "realestate10k", one(level_source()))
    values = [float(word) for word in file.read_text().splitlines()[1].split()]
    assert values[:7] == [0, 800 / 1024, 800 / 576, 0.5, 200 / 576, 0, 0]
    assert values[7:] == pytest.approx([1, 0, 0, 0, 0, 0, -1, 1.6, 0, 1, 0, 0])
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("https://example.org/watch\n33366667 0.5 0.9 0.5 0.5 0 0 1 0 0 0 0 0 -1 1.6 0 1 0 0\n")
    (camera,) = read_cameras(theirs, "realestate10k").cameras
    assert camera.world_from_camera == pytest.approx(level_source())
    assert camera.intrinsics.focal_x_px == pytest.approx(camera.intrinsics.focal_y_px, rel=1e-3)


@pytest.mark.parametrize(
    ("pose", "place", "rotation"),
    [
        # Ours looks along +Y, and Unreal's y is ours turned round: it looks along -Y there, a yaw of -90.
        (level_source(), [0, 0, 160], (0, -90, 0)),
        (looking_right(), [200, -300, 100], (0, 0, 0)),
        (level_camera_pose(1.6, math.radians(30)), [0, 0, 160], (30, -90, 0)),
    ],
)
def test_unreal_by_hand(tmp_path, pose, place, rotation):
    file = write_cameras(tmp_path, "unreal", one(pose))
    frame = json.loads(file.read_text())["frames"][0]
    assert frame["location_cm"] == pytest.approx(place)
    assert [frame["rotation_deg"][name] for name in ("pitch", "yaw", "roll")] == pytest.approx(rotation, abs=1e-9)
    assert frame["fov_deg"] == pytest.approx(math.degrees(2 * math.atan(512 / 800)))
    assert read_one(file, "unreal") == pytest.approx(pose)


def test_unreal_axes_of_the_identity_are_forward_right_up(tmp_path):
    frame = json.loads(write_cameras(tmp_path, "unreal", one(looking_right())).read_text())["frames"][0]
    assert np.array(frame["world_from_camera"])[:3, :3] == pytest.approx(np.eye(3))


def test_a_rotator_turns_as_unreal_says():
    assert rotation_of_rotator(0, 90, 0)[:, 0] == pytest.approx([0, 1, 0])  # yaw: X towards Y
    assert rotation_of_rotator(90, 0, 0)[:, 0] == pytest.approx([0, 0, 1])  # pitch: X towards Z
    assert rotation_of_rotator(0, 0, 90)[:, 1] == pytest.approx([0, 0, -1])  # roll: Y down, clockwise seen from behind
    for angles in ((20.0, -130.0, 40.0), (-70.0, 10.0, -170.0)):
        assert rotator_of(rotation_of_rotator(*angles)) == pytest.approx(angles)


def test_extrinsics_of_multi_camera_data_sets_are_read(tmp_path):
    # An FMatrix has the axes in its rows and the place in the last: forward -Y (yaw -90), right +X, up.
    text = "[0 -1 0 0] [1 0 0 0] [0 0 1 0] [0 0 160 1] "
    file = tmp_path / "camera_extrinsics.json"
    file.write_text(json.dumps({f"frame{index}": {"cam01": text, "cam02": "nothing"} for index in (0, 1, 10, 2)}))
    path = read_cameras(file, "unreal")
    assert len(path.cameras) == 4
    assert path.cameras[0].world_from_camera == pytest.approx(level_source())
    with pytest.raises(CameraFileError, match="cam02"):
        read_cameras(file, "unreal", "cam02")


def glb_document(file: Path) -> dict:
    data = file.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def test_glb_by_hand(tmp_path):
    node = glb_document(write_cameras(tmp_path, "glb", one(level_source())))["nodes"][0]
    # glTF is Y up: height is y, and its camera looks along -Z, which is our +Y: no turn at all.
    assert node["translation"] == pytest.approx([0, 1.6, 0])
    assert node["rotation"] == pytest.approx([0, 0, 0, 1], abs=1e-7)
    node = glb_document(write_cameras(tmp_path, "glb", one(looking_right())))["nodes"][0]
    assert node["translation"] == pytest.approx([2, 1, -3])
    half = math.sqrt(0.5)
    assert node["rotation"] == pytest.approx([0, -half, 0, half])  # from -Z to +X: a quarter clockwise about Y


def glb(folder: Path, nodes: list, animations: list, arrays: list) -> Path:
    """Writes a .glb with one camera, for what our own writer does not write."""
    blob, views, accessors = b"", [], []
    for array in arrays:
        data = np.asarray(array, "<f4")
        kind = "SCALAR" if data.ndim == 1 else f"VEC{data.shape[1]}"
        accessors.append({"bufferView": len(views), "componentType": 5126, "count": len(data), "type": kind})
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": data.nbytes})
        blob += data.tobytes()
    document = {
        "asset": {"version": "2.0"},
        "nodes": nodes,
        "cameras": [{"type": "perspective", "perspective": {"yfov": 1.0, "znear": 0.1}}],
        "animations": animations,
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob)}],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(blob), b"BIN\0") + blob
    file = folder / "made.glb"
    file.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks)
    return file


def test_a_camera_below_a_turned_and_scaled_parent_is_found_in_the_world(tmp_path):
    half = math.sqrt(0.5)
    nodes = [
        {"children": [1], "rotation": [0, half, 0, half], "scale": [2, 2, 2], "translation": [0, 1, 0]},
        {"name": "Lens", "camera": 0, "translation": [0, 0, -1]},
    ]
    pose = read_one(glb(tmp_path, nodes, [], []), "glb")
    # Turned a quarter left about Y, twice as large: the child is 2 m along -X, and looks that way.
    assert pose[:3, 3] == pytest.approx([-2, 0, 1], abs=1e-6)
    assert pose[:3, 2] == pytest.approx([-1, 0, 0], abs=1e-6)
    with pytest.raises(CameraFileError, match="no camera `Other`"):
        read_cameras(tmp_path / "made.glb", "glb", "Other")


@pytest.mark.parametrize(("kind", "middle"), [("LINEAR", 1.0), ("STEP", 0.0), ("CUBICSPLINE", 1.0)])
def test_each_interpolation_of_gltf_is_read(tmp_path, kind, middle):
    times = [0.0, 1.0]
    values = [[0, 0, 0], [2, 0, 0]]
    if kind == "CUBICSPLINE":
        values = [[0, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [2, 0, 0], [0, 0, 0]]
    samplers = [
        {"input": 0, "output": 1, "interpolation": kind},
        {"input": 2, "output": 3, "interpolation": "LINEAR"},
    ]
    channels = [
        {"sampler": 0, "target": {"node": 0, "path": "translation"}},
        {"sampler": 1, "target": {"node": 1, "path": "translation"}},
    ]
    nodes = [{"children": [1]}, {"camera": 0}]
    arrays = [times, values, [0.0, 0.5, 1.0], [[0, 0, 0]] * 3]
    path = read_cameras(glb(tmp_path, nodes, [{"channels": channels, "samplers": samplers}], arrays), "glb")
    assert path.times_s == (0.0, 0.5, 1.0)
    assert [camera.world_from_camera[0, 3] for camera in path.cameras] == pytest.approx([0, middle, 2])


BROKEN = {
    "opencv": [
        "",
        "{}",
        "[]",
        "[[1, 2]]",
        '{"frames": [{}]}',
        '{"frames": [{"world_from_camera": [[1,0,0,0],[0,1,0,0],[0,0,-1,0],[0,0,0,1]]}]}',
        '{"frames": [{"world_from_camera": [[2,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]}',
        '{"frames": [{"world_from_camera": [[1,0,0,0],[0,1,0,0],[0,0,1,0],[5,0,0,1]]}]}',
        '{"frames": [{"world_from_camera": [[1,0,0,NaN],[0,1,0,0],[0,0,1,0],[0,0,0,1]]}]}',
        "[" * 5000,
    ],
    "opengl": ["{}", '{"frames": [{"transform_matrix": 3}]}', '{"frames": 3}'],
    "unreal": ["{}", '{"frames": [{}]}', '{"frame0": {"cam01": "[1 2] [3 4]"}}', '{"frame0": 1}'],
    "realestate10k": ["", "url\n1 2 3\n", "url\n0 0 0 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1 0\n", "url\nx" + " 1" * 18],
    "glb": ["", "glTF", "x" * 40],
    "colmap": ["1 2 3\n", "1 0 0 0 0 0 0 0 1 a.png\n", ""],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BROKEN.items() for text in texts])
def test_what_is_no_camera_path_is_refused_with_the_file_named(tmp_path, name, text):
    file = tmp_path / ("images.txt" if name == "colmap" else "given")
    file.write_text(text)
    with pytest.raises(CameraFileError, match=file.name):
        read_cameras(file, name)


def test_a_lens_with_distortion_is_refused_with_the_way_out(tmp_path):
    (tmp_path / "cameras.txt").write_text("1 OPENCV 640 480 500 500 320 240 0.1 0 0 0\n")
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n")
    with pytest.raises(CameraFileError, match="distortion") as caught:
        read_cameras(tmp_path, "colmap")
    assert "image_undistorter" in caught.value.hint


@pytest.mark.parametrize("name", FORMATS)
def test_noise_in_a_file_gives_an_error_or_cameras_and_nothing_else(name, tmp_path):
    good = write_cameras(tmp_path, name, random_path(0, 3)).read_bytes()
    file = tmp_path / FORMATS[name].file_name
    chance = np.random.default_rng(5)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.integers(1, 6)):
            data[chance.integers(len(data))] = chance.integers(256)
        file.write_bytes(bytes(data[: chance.integers(1, len(data) + 1)] if chance.random() < 0.3 else data))
        try:
            path = read_cameras(file, name)
        except CameraFileError:
            continue
        assert all(np.isfinite(camera.world_from_camera).all() for camera in path.cameras)


@pytest.mark.parametrize(("name", "key"), [("opencv", "world_from_camera"), ("opengl", "transform_matrix")])
def test_frames_without_times_follow_at_the_rate_that_a_json_file_says(name, key, tmp_path):
    file = tmp_path / "path.json"
    frames = [{key: level_source().tolist()} for _ in range(3)]
    file.write_text(json.dumps({"fps": 10, "frames": frames}))
    assert read_cameras(file, name).times_s == pytest.approx((0, 0.1, 0.2))
    for wrong in ("fast", 0, True, 1e9):
        file.write_text(json.dumps({"fps": wrong, "frames": frames}))
        with pytest.raises(CameraFileError, match="`fps` is no rate"):
            read_cameras(file, name)
