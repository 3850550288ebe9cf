import numpy as np

from i2v3d.geometry.mesh_checks import find_mesh_faults, is_watertight, signed_volume_m3

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def test_a_sound_tetrahedron_has_no_faults_and_a_positive_volume():
    assert find_mesh_faults(CORNERS, TETRAHEDRON) == ()
    assert is_watertight(CORNERS, TETRAHEDRON)
    assert np.isclose(signed_volume_m3(CORNERS, TETRAHEDRON), 1 / 6)


def test_an_inside_out_mesh_has_a_negative_volume():
    assert np.isclose(signed_volume_m3(CORNERS, TETRAHEDRON[:, ::-1]), -1 / 6)


def test_a_missing_or_flipped_face_is_not_watertight():
    flipped = TETRAHEDRON.copy()
    flipped[0] = flipped[0, ::-1]
    assert not is_watertight(CORNERS, TETRAHEDRON[:3])
    assert not is_watertight(CORNERS, flipped)


def test_seams_with_doubled_vertices_stay_watertight():
    apart = CORNERS[TETRAHEDRON].reshape(-1, 3)
    assert is_watertight(apart, np.arange(12).reshape(4, 3))


def test_each_fault_is_named():
    not_finite = CORNERS.copy()
    not_finite[2, 1] = np.nan
    assert "not finite" in find_mesh_faults(not_finite, TETRAHEDRON)[0]
    assert "does not exist" in find_mesh_faults(CORNERS, TETRAHEDRON + 1)[0]
    assert "no face" in find_mesh_faults(CORNERS, TETRAHEDRON[:0])[0]
    assert "no area" in find_mesh_faults(CORNERS, np.array([[0, 1, 1]]))[0]
    turned = np.concatenate([TETRAHEDRON, TETRAHEDRON[:1, [1, 2, 0]]])
    assert "twice" in find_mesh_faults(CORNERS, turned)[0]
