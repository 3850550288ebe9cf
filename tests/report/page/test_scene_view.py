"""What the 3D view is told."""

import json
import struct

import numpy as np

from i2v3d.report.page.scene_view import animation_start_s, cameras_for_view, point_of_interest

# One metre above the ground, looking along +Y: OpenGL's camera axes in the world.
POSE = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 1], [0, 0, 0, 1]]
TRACK = {
    "frames": [
        {
            "opengl": {"world_from_camera": POSE},
            "opencv": {"image_from_camera": [[500, 0, 320], [0, 510, 180], [0, 0, 1]]},
        }
    ]
}


def test_a_camera_keeps_its_place_and_looks_into_the_scene():
    (camera,) = cameras_for_view(TRACK)
    pose = np.array(camera["pose"]).reshape(4, 4).T  # column by column, as WebGL has it
    assert pose[:3, 3].tolist() == [0, 1, 0], "glTF's up is y"
    forward = pose[:3, :3] @ [0, 0, -1]
    assert forward.tolist() == [0, 0, -1], "the world's +Y is glTF's -z"
    assert camera["lens"] == [500, 510, 320, 180]


def test_the_view_turns_about_the_objects():
    assert point_of_interest(TRACK, [np.array([2.0, 8, 0]), np.array([4.0, 12, 2])]) == [3, 1, -10]
    assert point_of_interest(TRACK, []) == [0, 1, -10]


def test_the_animation_begins_with_its_first_key():
    def glb(document):
        text = json.dumps(document).encode()
        return struct.pack("<III", 0x46546C67, 2, 20 + len(text)) + struct.pack("<II", len(text), 0x4E4F534A) + text

    moving = {
        "accessors": [{"min": [0.5]}, {"min": [0.25]}],
        "animations": [{"samplers": [{"input": 0}, {"input": 1}]}],
    }
    assert animation_start_s(glb(moving)) == 0.25
    assert animation_start_s(glb({"asset": {}})) == 0
