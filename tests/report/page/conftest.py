"""A small real build and its page, made once, and a browser to look at it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from i2v3d.execute.environment import find_browser
from i2v3d.execute.project import ProjectOptions, open_project
from i2v3d.report.page import page_html
from tests.browser import Browser

ROOT = Path(__file__).resolve().parents[3]

# What breaks out of a script, an attribute or a tag, where somebody forgot to escape.
EVIL = "</script><img src=x onerror=document.title='broken'>\"'`<!--"

SPEC = {
    "i2v3d": 1,
    "name": "small",
    "source": {"image": "rocket.jpg", "prompt": f"a rocket {EVIL}", "camera": {"fov": "40deg"}, "framing": "bottom"},
    "output": {"size": [512, 288], "fps": 24, "duration": "12f"},
    "objects": {
        f"rocket {EVIL}": {
            "segment": {
                "box": [0.46, 0.27, 0.55, 0.97],
                "points": {"include": [[0.503, 0.5]], "exclude": [[0.2, 0.2]]},
            },
            "mesh": "lathe",
            "height": "70m",
            "stands": False,
            "distance": "220m",
        }
    },
    "background": {"layout": "ground_and_backdrop", "horizon": "97%", "distance": "240m", "margin": 0.2},
    "motion": {f"rocket {EVIL}": [{"at": 2}, {"at": 8, "move": [0, 0, "5m"]}, {"at": 12, "move": [0, 0, "12m"]}]},
    "camera": [{"at": 0}, {"at": 12, "orbit": {"around": f"rocket {EVIL}", "azimuth": "6deg"}}],
    "keyframes": {"every": 6},
}


def page_of(built: Built, **options: str) -> str:
    """Returns the page as another program than the command line asks for it."""
    # The same scene by other options, so that the command line's own no-op is not this build.
    project, pages = open_project(ProjectOptions(built.folder, overrides=("seed=1",))), []
    project.build(
        lambda event: None, (lambda finished: pages.append(page_html(finished, project.loaded, **options)) or (),)
    )
    return pages[0]


@dataclass(frozen=True)
class Built:
    """A project folder with a finished build."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out" / "small"

    @property
    def page(self) -> Path:
        return self.out / "report.html"

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Builds as a user would."""
        command = [sys.executable, "-m", "i2v3d", "build", str(self.folder), *arguments]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
        return run


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reported")
    shutil.copy(ROOT / "specs" / "rocket" / "rocket.jpg", folder / "rocket.jpg")
    (folder / "scene.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False, allow_unicode=True), encoding="utf-8")
    project = Built(folder)
    project.build()
    return project


@pytest.fixture(scope="session")
def browser():
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium is installed: `i2v3d doctor --fix --tests` installs one")
    running = Browser(program)
    yield running
    running.close()


@pytest.fixture
def open_page(browser, built):
    """Opens the page of the small build; the test's end closes what it opened."""
    opened = []

    def open_one(address: str | None = None, **options):
        options = {"width": 1440, "height": 900, **options}
        opened.append(browser.open(address or built.page.as_uri(), **options))
        return opened[-1]

    yield open_one
    for page in opened:
        page.close()
