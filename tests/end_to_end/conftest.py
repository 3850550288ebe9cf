import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from bad_input import photo


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "project").mkdir()
    photo().save(tmp_path / "project" / "photo.png")
    return tmp_path / "project"
