from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i2v3d.errors import GraphError
from i2v3d.spec.resolved import Box, Card, Lathe
from i2v3d.store.canonical import from_canonical, leaves, to_canonical
from i2v3d.store.digests import digest_json


class Mood(enum.Enum):
    CALM = 1
    WILD = 2


@dataclass(frozen=True)
class Inner:
    size: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: int = 1
    is_on: bool = False
    text: str = "a"
    inner: Inner | None = None
    ratio: float = 1.0
    pair: tuple[Any, ...] = ()
    table: Any = None
    mood: Any = None


def key(value: object) -> str:
    return digest_json(to_canonical(value))


@pytest.mark.parametrize(
    "edit",
    [
        {"count": 2},
        {"count": 1.0},
        {"count": True},
        {"count": "1"},
        {"is_on": True},
        {"is_on": 0},
        {"text": "A"},
        {"inner": Inner(1.0)},
        {"ratio": 1},
        {"ratio": 1.0000000000000002},
        {"ratio": float("nan")},
        {"ratio": float("inf")},
        {"ratio": -0.0},
        {"pair": (1,)},
        {"pair": ((),)},
        {"pair": []},
        {"table": {}},
        {"mood": Mood.CALM},
        {"mood": Mood.WILD},
        {"mood": "CALM"},
    ],
)
def test_every_field_of_params_changes_the_key(edit):
    assert key(dataclasses.replace(Outer(), **edit)) != key(Outer())


def test_records_with_equal_fields_differ_by_their_type():
    assert key(Card()) != key(to_canonical(())) and key(Lathe(3)) != key(Box(3))


def test_the_order_of_fields_and_mapping_keys_is_not_in_the_key():
    first = dataclasses.make_dataclass("Same", [("a", int), ("b", int)], frozen=True)
    second = dataclasses.make_dataclass("Same", [("b", int), ("a", int)], frozen=True)
    assert key(first(a=1, b=2)) == key(second(a=1, b=2))
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    assert key(first(a=1, b=2)) != key(first(a=2, b=1))


@pytest.mark.parametrize("value", [Path("a"), {1, 2}, b"x", np.float64(1.0), np.zeros(2), object(), {1: 2}, len])
def test_what_can_not_be_hashed_is_refused_with_its_place(value):
    with pytest.raises(GraphError, match=r"^params.pair\[1\].*: a .* can't be part of a step's key"):
        to_canonical(Outer(pair=(1, value)))


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(Mood),
    lambda inner: (
        st.lists(inner).map(tuple)
        | st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.builds(Outer, pair=st.tuples(inner), table=inner)
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_a_worker_gets_back_what_was_sent(value):
    import json

    assert repr(from_canonical(json.loads(json.dumps(to_canonical(value))))) == repr(value)


@given(PLAIN, PLAIN)
def test_keys_are_equal_only_for_equal_values(first, second):
    assert (key(first) == key(second)) == (repr(_ordered(first)) == repr(_ordered(second)))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    if isinstance(value, tuple | list):
        return type(value)(_ordered(item) for item in value)
    if isinstance(value, Outer):
        return dataclasses.replace(value, pair=_ordered(value.pair), table=_ordered(value.table))
    return value


def test_leaves_give_every_plain_value_its_path():
    document = to_canonical(Outer(inner=Inner(0.5, ("a", "b")), table={"k": None}, mood=Mood.WILD))
    found = leaves(document, "params")
    assert found["params.inner.size"] == 0.5
    assert found["params.inner.names[1]"] == "b"
    assert found["params.pair"] == "()"
    assert found["params.table.k"] is None
    assert found["params.mood"] == "WILD"
