"""The camera that a picture was taken with, from where the still background's points lie in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i2v3d.geometry.frames import Array

LEAST_POINTS = 24
_INLIER_PX = 1.5
_LEAST_SHARE = 0.3
_TRIALS = 300
_CONFIDENCE = 0.999


@dataclass(frozen=True)
class CameraError:
    """How a camera stands to the known one of its frame.

    Attributes:
        offset_m: From the known camera to it, in the known camera's axes.
        turn_rad: Axis of the turn times its angle, in the same axes.
    """

    offset_m: tuple[float, float, float]
    turn_rad: tuple[float, float, float]

    @property
    def distance_m(self) -> float:
        """Length of the offset."""
        return float(np.linalg.norm(self.offset_m))

    @property
    def angle_rad(self) -> float:
        """Angle of the turn."""
        return float(np.linalg.norm(self.turn_rad))


NO_ERROR = CameraError((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def points_in_camera(at_px: Array, depth_m: Array, image_from_camera: Array) -> Array:
    """Returns the points (points, 3) that a known camera sees, in its own axes, metres.

    Args:
        at_px: (points, 2), column and row; (0, 0) is the middle of the first pixel.
        depth_m: (points,), planar z-depth.
        image_from_camera: (3, 3) in pixels, (0, 0) is the outer corner of the first pixel.
    """
    ones = np.ones((len(at_px), 1))
    rays = np.hstack([np.asarray(at_px, np.float64) + 0.5, ones]) @ np.linalg.inv(image_from_camera).T
    points: Array = rays * np.asarray(depth_m, np.float64)[:, None]
    return points


def solve_camera_error(points_m: Array, at_px: Array, image_from_camera: Array) -> CameraError | None:
    """Returns the error of the camera that sees points of the known camera's frame at these places.

    Perspective-n-point with RANSAC (inliers within 1.5 pixels), then least squares over the inliers. The lens is
    taken to be the known one.

    Args:
        points_m: (points, 3) in the axes of the known camera.
        at_px: (points, 2), where they are seen; (0, 0) is the middle of the first pixel.
        image_from_camera: (3, 3), the lens.

    Returns:
        None for fewer than 24 points, or where less than three tenths of them agree on a camera.
    """
    import cv2

    if len(points_m) < LEAST_POINTS:
        return None
    observed = np.ascontiguousarray(np.asarray(at_px, np.float64) + 0.5)
    # OpenCV works on lengths near one; a scene of kilometres would lose digits.
    unit = float(np.median(points_m[:, 2]))
    points = np.ascontiguousarray(points_m / unit)
    no_distortion = np.zeros(4)
    found, turn, place, inliers = cv2.solvePnPRansac(
        points,
        observed,
        image_from_camera,
        no_distortion,
        rvec=np.zeros((3, 1)),
        tvec=np.zeros((3, 1)),
        useExtrinsicGuess=True,
        iterationsCount=_TRIALS,
        reprojectionError=_INLIER_PX,
        confidence=_CONFIDENCE,
        flags=cv2.SOLVEPNP_ITERATIVE,
    )
    if not found or inliers is None or len(inliers) < max(LEAST_POINTS, _LEAST_SHARE * len(points)):
        return None
    chosen = inliers[:, 0]
    turn, place = cv2.solvePnPRefineLM(points[chosen], observed[chosen], image_from_camera, no_distortion, turn, place)
    camera_from_known = np.asarray(cv2.Rodrigues(turn)[0])
    offset = -(camera_from_known.T @ np.asarray(place)[:, 0]) * unit
    if not np.isfinite(offset).all():
        return None
    # The solved turn takes points to the camera; the camera itself turns the other way.
    x, y, z = (float(value) for value in offset)
    around_x, around_y, around_z = (-float(value) for value in np.asarray(turn)[:, 0])
    return CameraError((x, y, z), (around_x, around_y, around_z))


def path_length_m(world_from_camera: Array) -> float:
    """Returns the length of the way of a camera, its poses (frames, 4, 4)."""
    places = np.asarray(world_from_camera)[:, :3, 3]
    return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


__all__ = ["LEAST_POINTS", "NO_ERROR", "CameraError", "path_length_m", "points_in_camera", "solve_camera_error"]
