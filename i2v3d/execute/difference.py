"""Two scenes held against each other: what their specs say differently, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from i2v3d.compile.graph import StageGraph, references
from i2v3d.plan.changed_frames import changed_frames, is_outside
from i2v3d.plan.difference import StepsDifference, compare_steps
from i2v3d.spec.difference import FieldDifference, scene_differences
from i2v3d.stages.base import OutputRef, SourceFile
from i2v3d.store.sources import Sources

if TYPE_CHECKING:
    from i2v3d.execute.project import Project

# What Blender's scene cache holds of each frame, and what it holds once for all of them.
_BY_FRAME, _FOR_ALL = ("assemble", "states"), ("assemble", "static")


@dataclass(frozen=True)
class SceneDifference:
    """What differs between two scenes.

    Attributes:
        fields: What their specs say differently; a file of the same name and other content is among them.
        frames: First and last frame that may look different, where that is known.
        steps: What the second scene costs when the first is built.
    """

    fields: tuple[FieldDifference, ...]
    frames: tuple[int, int] | None
    steps: StepsDifference

    @property
    def is_same(self) -> bool:
        """Whether the scenes say the same and do the same work."""
        return not self.fields and self.steps.is_same


def compare_projects(old: Project, new: Project) -> SceneDifference:
    """Returns what differs; nothing is built. Results are looked up in the second one's store.

    Raises:
        SpecError: One of them asks for what is not available.
        UsageError: A user's file can't be read.
    """
    fields = scene_differences(old.loaded, new.loaded)
    frames = changed_frames(old.loaded.scene, new.loaded.scene)

    def is_unchanged(reference: OutputRef) -> bool:
        source = (reference.node, reference.output)
        if frames is None or source not in (_BY_FRAME, _FOR_ALL):
            return False
        return source == _FOR_ALL or is_outside(reference.start, reference.stop, frames)

    steps = compare_steps(old.graph, new.graph, new.store, is_unchanged)
    return SceneDifference(_with_contents(fields, old, new), frames, steps)


def _with_contents(fields: tuple[FieldDifference, ...], old: Project, new: Project) -> tuple[FieldDifference, ...]:
    """Returns the differences with those of the contents of users' files."""
    sources = Sources(new.store.state)
    before, after = (_contents(project.graph, sources) for project in (old, new))
    found = []
    for field in fields:
        is_alike = field.path in before and before[field.path] == after.get(field.path)
        found.append(replace(field, new=f"{field.new} (same content)") if is_alike else field)
    told = {field.path for field in fields}
    for path, digest in after.items():
        if path in before and before[path] != digest and path not in told:
            places = (project.loaded.position(path) for project in (old, new))
            found.append(FieldDifference(path, "changed", "a file", "a file of other content", *places))
    return tuple(found)


def _contents(graph: StageGraph, sources: Sources) -> dict[str, str]:
    """Returns the content digest of each user's file by the field that names it."""
    return {
        reference.spec_path: sources.digest(reference.path).content
        for node in graph.nodes.values()
        for _, reference in references(node)
        if isinstance(reference, SourceFile) and reference.spec_path
    }
