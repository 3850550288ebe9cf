"""Which bone of a file is which bone of a preset: the names of the usual tools, and what the user says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from i2v3d.rigs.motion_data import MotionFileError
from i2v3d.rigs.presets import Preset

_PREFIX = re.compile(r"^(.*[:|])?(mixamorig\d*_?)?")


def _both(names: Mapping[str, Sequence[str]], left: str, right: str) -> dict[str, tuple[str, ...]]:
    """Returns the names of both sides; `*` is where a side is named."""
    found: dict[str, tuple[str, ...]] = {}
    for bone, given in names.items():
        if "*" not in given[0]:
            found[bone] = tuple(given)
            continue
        found[f"{bone}_left"] = tuple(name.replace("*", left) for name in given)
        found[f"{bone}_right"] = tuple(name.replace("*", right) for name in given)
    return found


def _humanoid(rows: Mapping[str, str], left: str, right: str) -> dict[str, tuple[str, ...]]:
    return _both({bone: names.split() for bone, names in rows.items()}, left, right)


# Preset bone -> names in order of preference, as `_plain` has them. Several trunk bones take the place of two.
_STYLES: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "humanoid": {
        "Mixamo and CMU (LeftUpLeg)": _humanoid(
            {
                "hips": "hips pelvis root",
                "spine": "spine lowerback",
                "chest": "spine2 chest upperchest spine1",
                "neck": "neck neck1",
                "head": "head",
                "shoulder": "*shoulder *collar",
                "upper_arm": "*arm *uparm",
                "forearm": "*forearm *lowarm",
                "hand": "*hand",
                "thigh": "*upleg *thigh",
                "shin": "*leg *lowleg *shin",
                "foot": "*foot",
                "toes": "*toebase *toe",
            },
            "left",
            "right",
        ),
        "CMU (lfemur)": _humanoid(
            {
                "hips": "root hips",
                "spine": "upperback lowerback",
                "chest": "thorax",
                "neck": "lowerneck upperneck",
                "head": "head",
                "shoulder": "*clavicle",
                "upper_arm": "*humerus",
                "forearm": "*radius",
                "hand": "*hand *wrist",
                "thigh": "*femur",
                "shin": "*tibia",
                "foot": "*foot",
                "toes": "*toes",
            },
            "l",
            "r",
        ),
        "Unreal (thigh_l)": _humanoid(
            {
                "hips": "pelvis",
                "spine": "spine01 spine02",
                "chest": "spine03 spine02",
                "neck": "neck01 neck",
                "head": "head",
                "shoulder": "clavicle*",
                "upper_arm": "upperarm*",
                "forearm": "lowerarm*",
                "hand": "hand*",
                "thigh": "thigh*",
                "shin": "calf*",
                "foot": "foot*",
                "toes": "ball*",
            },
            "l",
            "r",
        ),
        "Blender (thigh.L)": _humanoid(
            {
                "hips": "spine hips",
                "spine": "spine001",
                "chest": "spine003 spine002 chest",
                "neck": "spine004 neck",
                "head": "spine006 spine005 head",
                "shoulder": "shoulder*",
                "upper_arm": "upperarm*",
                "forearm": "forearm*",
                "hand": "hand*",
                "thigh": "thigh*",
                "shin": "shin*",
                "foot": "foot*",
                "toes": "toe* toes*",
            },
            "l",
            "r",
        ),
    },
}


def _plain(name: str) -> str:
    """Returns a bone's name without what tools put before it, its case, and what separates its parts."""
    return "".join(letter for letter in _PREFIX.sub("", name, count=1).lower() if letter.isalnum())


def known_bones(preset: Preset, names: Sequence[str]) -> dict[str, str]:
    """Returns the file's bone of each preset bone that one of the known styles finds; the best style wins."""
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_plain(name), name)
    own = {bone: (_plain(bone),) for bone in preset.bone_names()}
    best: dict[str, str] = {}
    for style in (own, *_STYLES.get(preset.name, {}).values()):
        found: dict[str, str] = {}
        for bone, wanted in style.items():
            free = (plain[name] for name in wanted if name in plain and plain[name] not in found.values())
            first = next(free, None)
            if bone in own and first is not None:
                found[bone] = first
        if len(found) > len(best):
            best = found
    return best


def map_bones(preset: Preset, names: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Returns preset bone -> file bone: what is known, and over it what is given.

    Raises:
        MotionFileError: A given bone is not in the file, or too few bones are known.
    """
    for bone, name in given.items():
        if name not in names:
            raise MotionFileError(f"the file has no bone `{name}` (for `{bone}`)", _listed(names))
    known = {bone: name for bone, name in known_bones(preset, names).items() if name not in given.values()}
    found = {**known, **given}
    root = preset.bones[0].name
    if root not in found or len(found) < min(3, len(preset.bones)):
        which = f"only those for {', '.join(found)} are" if found else "none is"
        message = f"of the file's bones, {which} known as a {preset.name}'s"
        raise MotionFileError(message, f"say which is which: `bones: {{{root}: NAME, ...}}`; {_listed(names)}")
    return {bone: found[bone] for bone in preset.bone_names() if bone in found}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:30])
    return f"it has {shown}{', ...' if len(names) > 30 else ''}"
