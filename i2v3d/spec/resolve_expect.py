"""`expect` to `Expectations`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from i2v3d.spec.marks import path_text
from i2v3d.spec.resolved_expect import Bound, Expectations, Relation

if TYPE_CHECKING:
    from i2v3d.spec.collect import Collector
    from i2v3d.spec.marks import SpecPath
    from i2v3d.spec.model import Spec


def resolve_expect(collector: Collector, spec: Spec) -> Expectations:
    """Returns what is expected; notes bounds of objects that are not there."""
    from i2v3d.spec.model.generation import split_bound, split_metric

    given = spec.expect
    if given is None:
        return Expectations()
    names = tuple(name for name, thing in spec.objects.items() if not thing.remove)
    bounds = []
    for metric, text in given.bounds.items():
        path: SpecPath = ("expect", metric)
        path = path if collector.has_key(path) else ("expect", "bounds", metric)
        thing = split_metric(metric)[1]
        if thing and thing not in names:
            collector.unknown(path, thing, names)
        relation, limit = split_bound(text)
        bounds.append(Bound(metric, cast(Relation, relation), limit, path_text(path)))
    return Expectations(tuple(bounds), given.camera_path is not None, given.findings == "none")
