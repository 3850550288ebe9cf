"""The JSON schema is fresh and says everything; the examples in it are right."""

import subprocess
import sys

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from i2v3d.resources import schemas_dir, templates_dir
from i2v3d.spec import schema
from i2v3d.spec.model import Spec


def _parts(model=Spec, seen=None):
    seen = {} if seen is None else seen
    if model not in seen:
        seen[model] = None
        for info in model.model_fields.values():
            for part in _models_in(info.annotation):
                _parts(part, seen)
    return list(seen)


def _models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _nested(node):
    if isinstance(node, dict):
        yield node
        for item in node.values():
            yield from _nested(item)
    elif isinstance(node, list):
        for item in node:
            yield from _nested(item)


FIELDS = [pytest.param(part, name, id=f"{part.__name__}.{name}") for part in _parts() for name in part.model_fields]


def test_the_schema_file_is_what_the_models_say():
    fresh = (schemas_dir() / schema.SCHEMA_FILE).read_text(encoding="utf-8")
    assert fresh == schema.schema_text(), "run: python -m i2v3d.spec.schema"


def test_the_walk_reaches_every_section():
    names = {part.__name__ for part in _parts()}
    assert {"CameraKey", "MotionKey", "Segment", "InflateForm", "Cloth", "StrengthKey", "DepthFile", "Reach"} <= names


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_every_field_has_a_description_and_examples_that_it_accepts(part, name):
    info = part.model_fields[name]
    assert info.description
    assert info.examples
    for example in info.examples:
        key = info.alias or name
        others = {
            other.alias or other_name: other.examples[0]
            for other_name, other in part.model_fields.items()
            if other_name != name
            and (other.is_required() or (name not in part.one_of and other_name in part.one_of[:1]))
        }
        part.model_validate({key: example, **others})


@pytest.mark.parametrize(("part", "name"), FIELDS)
def test_every_quantity_states_its_unit(part, name):
    info = part.model_fields[name]
    hints = repr(info.annotation) + repr(info.metadata)
    if any(kind in hints for kind in ("parse_moment", "parse_row", "LENGTH", "ANGLE", "TIME")):
        assert (info.json_schema_extra or {}).get("unit"), hints


def test_defaults_in_the_schema_are_plain():
    for node in _nested(schema.scene_schema()):
        assert node.get("default") is not PydanticUndefined
    assert schema.scene_schema()["$defs"]


def test_short_forms_are_in_the_schema():
    definitions = schema.scene_schema()["$defs"]
    for name in ("Mesh", "Layout", "Source", "Segment", "Camera", "Motion", "Simulation"):
        assert len(definitions[name]["anyOf"]) >= 2, name


def test_reading_a_spec_imports_neither_numpy_nor_jinja2(tmp_path):
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "photo.png")
    (tmp_path / "scene.yaml").write_text("source: photo.png\n")
    code = (
        "import sys; import i2v3d.spec; before = set(sys.modules); i2v3d.spec.load_scene(sys.argv[1]);"
        "heavy = {'numpy', 'jinja2', 'cv2', 'scipy', 'networkx', 'rich', 'click'};"
        "print(sorted(heavy & set(sys.modules)), 'pydantic' in before, 'yaml' in before)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False False"


@pytest.mark.parametrize("template", sorted((templates_dir() / "scenes").glob("*.yaml.j2")), ids=lambda path: path.name)
def test_a_starter_spec_is_a_right_spec(template, tmp_path):
    from PIL import Image

    from i2v3d.spec import load_scene

    Image.new("RGB", (640, 427)).save(tmp_path / 'my "photo".jpg')
    variables = {"name": "my-scene", "image": 'my "photo".jpg', "schema": "scene.schema.json"}
    (tmp_path / template.name).write_text(template.read_text())
    loaded = load_scene(tmp_path / template.name, variables=variables)
    assert loaded.warnings == loaded.unavailable == ()
    assert loaded.scene.objects


def test_the_minimal_starter_is_under_15_lines():
    assert len((templates_dir() / "scenes" / "minimal.yaml.j2").read_text().splitlines()) < 15
