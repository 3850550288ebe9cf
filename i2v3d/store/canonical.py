"""Params as type-tagged JSON: what keys are made of, and what a worker gets instead of a pickle.

Numbers, text, booleans and None are themselves; everything else is a list that begins with its tag.
So 1, 1.0, True and "1" differ, and two dataclasses with the same fields differ by their names.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import math
from collections.abc import Mapping
from typing import Any

from i2v3d.errors import GraphError

Json = Any  # JSON has no better static type


def to_canonical(value: Any, where: str = "params") -> Json:
    """Returns a plain value as JSON.

    Raises:
        GraphError: Part of it can't be hashed; the message names which.
    """
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else ["float", repr(value)]
    if kind in (tuple, list):
        return [kind.__name__, *(to_canonical(item, f"{where}[{index}]") for index, item in enumerate(value))]
    if isinstance(value, enum.Enum):
        return ["enum", _name_of(kind), value.name]
    if dataclasses.is_dataclass(kind):
        fields = {
            field.name: to_canonical(getattr(value, field.name), f"{where}.{field.name}")
            for field in dataclasses.fields(kind)
        }
        return ["record", _name_of(kind), fields]
    if isinstance(value, Mapping):
        if not all(type(name) is str for name in value):
            raise GraphError(f"{where}: a mapping whose keys are not all text can't be part of a step's key")
        return ["mapping", {name: to_canonical(item, f"{where}.{name}") for name, item in value.items()}]
    hint = "files belong in a stage's inputs" if hasattr(value, "__fspath__") else "use plain values"
    raise GraphError(f"{where}: a {kind.__name__} can't be part of a step's key", hint=hint)


def from_canonical(document: Json) -> Any:
    """Returns the value that `to_canonical` was given; mappings come back as dicts."""
    if not isinstance(document, list):
        return document
    tag, *rest = document
    if tag == "float":
        return float(rest[0])
    if tag == "tuple":
        return tuple(from_canonical(item) for item in rest)
    if tag == "list":
        return [from_canonical(item) for item in rest]
    if tag == "mapping":
        return {name: from_canonical(item) for name, item in rest[0].items()}
    if tag == "enum":
        return _named(rest[0])[rest[1]]
    assert tag == "record", tag
    return _named(rest[0])(**{name: from_canonical(item) for name, item in rest[1].items()})


def leaves(document: Json, path: str) -> dict[str, Json]:
    """Returns the plain values in canonical JSON by dotted path, `params.samples`, for comparing two keys."""
    if isinstance(document, dict):
        found: dict[str, Json] = {}
        for name, item in document.items():
            found.update(leaves(item, f"{path}.{name}"))
        return found
    if not isinstance(document, list) or not document:
        return {path: document}
    tag, *rest = document
    if tag in ("tuple", "list"):
        found = {} if rest else {path: "()"}
        for index, item in enumerate(rest):
            found.update(leaves(item, f"{path}[{index}]"))
        return found
    if tag == "record":
        return {path: rest[0].rpartition(":")[2], **leaves(rest[1], path)}
    if tag == "mapping":
        return leaves(rest[0], path)
    return {path: rest[-1]}


def _name_of(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _named(name: str) -> Any:
    module, _, qualified = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in qualified.split("."):
        found = getattr(found, part)
    return found
