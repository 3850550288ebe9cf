"""The house plan, held: who may import whom, and what stays unimported until it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "i2v3d"

# A layer imports only layers below it (later in this list), or its own.
LAYERS = (
    "cli",
    "api",
    "report",
    "execute",
    "plan",
    "store",
    "compile",
    "stages",
    "backends",
    "diffusion",
    "metrics",
    "blender",
    "rigs",
    "geometry",
    "artifacts",
    "spec",
    "errors",
)
# geometry and artifacts know each other's types; spec's records use geometry's; see each module's docstring.
PEERS = {("geometry", "artifacts"), ("artifacts", "geometry"), ("spec", "geometry")}
# The records of a resolved scene and the tables of backends, rigs and clips are plain values: every layer may read.
SHARED = {
    "i2v3d.spec.resolved",
    "i2v3d.errors",
    "i2v3d.resources",
    "i2v3d.spec.resolved_generation",
    "i2v3d.spec.resolved_expect",
    "i2v3d.backends.catalog",
    "i2v3d.backends.weights",
    "i2v3d.rigs.presets",
    "i2v3d.rigs.clips_others",
}


def _imports(file: Path):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _layer(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_layer_imports_only_layers_below_it(file):
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own not in LAYERS:
        return
    rank = LAYERS.index(own)
    for module in _imports(file):
        other = _layer(module) if module.startswith("i2v3d.") else ""
        if not other or other == own or other not in LAYERS or module in SHARED or (own, other) in PEERS:
            continue
        assert LAYERS.index(other) > rank, f"{file.name} ({own}) imports {module}, which is above it"


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_file_outgrows_the_house_limit(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 500


def test_listing_stages_imports_no_heavy_library():
    code = (
        "import sys; from i2v3d.stages import load_stages; assert load_stages();"
        "heavy = {'torch', 'diffusers', 'cv2', 'trimesh', 'bpy', 'scipy', 'moderngl', 'pydantic', 'av', 'pymatting'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_help_imports_neither_numpy_nor_pydantic():
    code = (
        "import sys; from click.testing import CliRunner; from i2v3d.cli import main;"
        "result = CliRunner().invoke(main, ['--help']); assert result.exit_code == 0, result.output;"
        "print(sorted({'numpy', 'pydantic', 'networkx', 'jinja2', 'rich', 'yaml', 'blake3'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
