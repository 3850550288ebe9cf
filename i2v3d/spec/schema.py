"""JSON schema of the spec language: `python -m i2v3d.spec.schema` writes schemas/scene.schema.json."""

from __future__ import annotations

import json
from typing import Any

from i2v3d.resources import schemas_dir

SCHEMA_FILE = "scene.schema.json"


def scene_schema() -> dict[str, Any]:
    """Returns the schema, short forms included, so that an editor accepts what `load_scene` accepts."""
    from i2v3d.spec.model import Spec

    schema = Spec.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "i2v3d scene"
    return schema


def schema_text() -> str:
    """Returns the schema as deterministic text."""
    return json.dumps(scene_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (schemas_dir() / SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
