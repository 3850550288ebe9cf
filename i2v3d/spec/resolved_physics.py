"""What of a resolved scene is simulated, and what of the camera is not a pinhole; see `resolved`."""

from __future__ import annotations

from dataclasses import dataclass

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class RigidBody:
    """A rigid body of the simulation.

    Attributes:
        mass_kg: Its mass.
        friction, bounce: Of two bodies that touch, both are multiplied; the ground leaves them as they are.
        velocity_m_s: At the start, world axes.
        is_fixed: An obstacle: it stays, or moves by its keys, whatever hits it.
    """

    mass_kg: float
    friction: float
    bounce: float
    velocity_m_s: Vector
    is_fixed: bool


@dataclass(frozen=True)
class Pinned:
    """The part of an object that stays with it; see `geometry.held_region`.

    Attributes:
        side: `left`, `right`, `front`, `back`, `top` or `bottom` of its box, or None.
        share: How far it reaches from that side, of the extent.
        box_m: Instead: low and high corner, object frame.
    """

    side: str | None
    share: float
    box_m: tuple[Vector, Vector] | None


@dataclass(frozen=True)
class ClothBody:
    """A cloth.

    Attributes:
        mass_kg_m2: Of a square metre.
        stiffness: As Blender's cloth has it.
        wind_m_s: World axes.
        gusts: 0 for an even wind.
        seed: Which gusts.
        obstacles: Objects in its way, besides the ground.
        settle_s: Time that it has been simulated before the first frame.
    """

    pinned: Pinned
    mass_kg_m2: float
    stiffness: float
    wind_m_s: Vector
    gusts: float
    seed: int
    obstacles: tuple[str, ...]
    settle_s: float


@dataclass(frozen=True)
class SoftBody:
    """A soft body; see `geometry.follow_through`. Both numbers are shares."""

    pinned: Pinned
    amount: float
    damping: float


Deforming = ClothBody | SoftBody


@dataclass(frozen=True)
class MeshDetail:
    """What a mesh that deforms needs.

    Attributes:
        cells: Along its longest side, at least.
        pinned: Region that must hold some of it and leave some of it free.
        kind: `cloth` or `soft`.
    """

    cells: int
    pinned: Pinned
    kind: str


@dataclass(frozen=True)
class FocusKey:
    """What is sharp from this frame on: an object, a world point, or a distance in metres."""

    frame: float
    on: str | float | Vector
    ease: str


@dataclass(frozen=True)
class DepthOfField:
    """A lens that is no pinhole.

    Attributes:
        aperture_m: Diameter of its opening at the source camera's focal length.
        focus: Keys, the first at frame 0.
    """

    aperture_m: float
    focus: tuple[FocusKey, ...]
