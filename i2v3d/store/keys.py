"""The key of a step: what its result depends on, and nothing else.

Its parts are kept, so that two keys can be compared field by field. The part without the inputs is
the *base*: steps with no record of equal base have certainly never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from i2v3d.store.digests import digest_json

KEY_SCHEMA = 1

InputDigests = Mapping[str, str | list[str] | None]


@dataclass(frozen=True)
class StepBase:
    """The part of a key that is known before anything runs.

    Attributes:
        parts: Key schema, stage and version, code digest, backend and version, tool versions, canonical params.
    """

    parts: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Its digest."""
        return digest_json(self.parts)

    def with_inputs(self, inputs: InputDigests) -> StepKey:
        """Returns the whole key, given the content digests of the inputs by field."""
        return StepKey(self, inputs, digest_json([self.digest, inputs]))


@dataclass(frozen=True)
class StepKey:
    """A whole key."""

    base: StepBase
    inputs: InputDigests
    digest: str

    @property
    def parts(self) -> dict[str, Any]:
        """Everything that is in the key, as JSON."""
        return {**self.base.parts, "inputs": dict(self.inputs)}
