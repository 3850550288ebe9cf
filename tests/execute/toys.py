"""A toy pipeline with real stages in a throw-away package, for testing the engine.

Each run of a stage appends its label to `runs.txt`, so that tests count executions. What else a
stage should do on its next run is told by a file `order-<label>` in the toy folder.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from i2v3d.compile.graph import Deliverable, StageGraph, make_graph
from i2v3d.execute.build import BuildOptions, BuildResult, build
from i2v3d.stages import base
from i2v3d.stages.base import Node, OutputRef, SourceFile
from i2v3d.store.local import LocalStore

PACKAGE = "toystages"
KINDS = ("read", "join", "split", "pair")

WORDS = '''
"""Text files."""
from dataclasses import dataclass
from typing import ClassVar
from i2v3d.artifacts.base import Artifact, Sequence


@dataclass(frozen=True)
class Text(Artifact):
    suffix: ClassVar[str] = ".txt"


@dataclass(frozen=True)
class Texts(Sequence[Text]):
    item_type: ClassVar[type[Artifact]] = Text


@dataclass(frozen=True)
class Scrap(Artifact):
    suffix: ClassVar[str] = ".scrap"
    is_volatile: ClassVar[bool] = True
'''

RUNS = '''
"""Counts runs and takes orders."""
import os, signal, time
from pathlib import Path

FOLDER = Path(os.environ["TOY_FOLDER"])


def note(label):
    with (FOLDER / "runs.txt").open("a") as file:
        file.write(label + "\\n")
    order = FOLDER / f"order-{label}"
    if order.exists():
        text = order.read_text()
        order.unlink()
        exec(text)
'''

STAGE = '''
"""Toy stage {kind}."""
from dataclasses import dataclass
from pathlib import Path
from i2v3d.stages.base import Resources, stage
from toystages.runs import note
from toystages.words import Scrap, Text, Texts


{body}
'''

BODIES = {
    "read": """
@dataclass(frozen=True)
class Inputs:
    source: Path


@dataclass(frozen=True)
class Params:
    label: str
    first: int | None = None


@dataclass(frozen=True)
class Outputs:
    text: Text


@stage("read", version=1, nodes=lambda scene: ())
def run(inputs: Inputs, params: Params, backend: None, work) -> Outputs:
    text = inputs.source.read_text()
    note(params.label)
    out = Text(work.output("text"))
    out.path.write_text(text[: params.first])
    return Outputs(out)
""",
    "join": """
@dataclass(frozen=True)
class Inputs:
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Params:
    label: str
    between: str = ""
    times: int = 1
    weight: float = 1.0
    size: int = 0


@dataclass(frozen=True)
class Outputs:
    text: Text
    scrap: Scrap


@stage("join", version=1, nodes=lambda scene: ())
def run(inputs: Inputs, params: Params, backend: None, work) -> Outputs:
    text = params.between.join(item.path.read_text() for item in inputs.texts)
    note(params.label)
    work.progress(0.5, "half")
    out, scrap = Text(work.output("text")), Scrap(work.output("scrap"))
    out.path.write_text((text + params.label) * params.times + "#" * params.size)
    scrap.path.write_bytes(str(work.path).encode())
    return Outputs(out, scrap)
""",
    "split": """
@dataclass(frozen=True)
class Inputs:
    text: Text


@dataclass(frozen=True)
class Params:
    label: str


@dataclass(frozen=True)
class Outputs:
    words: Texts


@stage("split", version=1, nodes=lambda scene: ())
def run(inputs: Inputs, params: Params, backend: None, work) -> Outputs:
    note(params.label)
    out = Texts(work.output("words"))
    out.path.mkdir()
    for index, word in enumerate(inputs.text.path.read_text().split()):
        out.item_path(index).write_text(word)
    return Outputs(out)
""",
    "pair": """
@dataclass(frozen=True)
class Inputs:
    words: Texts


@dataclass(frozen=True)
class Params:
    current: int


@dataclass(frozen=True)
class Outputs:
    text: Text


@stage("pair", version=1, nodes=lambda scene: (), is_batched=True)
def run(inputs: Inputs, params: Params, backend: None, work) -> Outputs:
    words = [word.path.read_text() for word in inputs.words]
    note("+".join(words))
    out = Text(work.output("text"))
    out.path.write_text("-".join(words) + f"@{params.current}")
    return Outputs(out)
""",
}


class Toys:
    """The toy package, a store, an output folder and builds of graphs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package = folder / "code" / PACKAGE
        if not self.package.exists():
            self._write_package()
        self.store = LocalStore(folder / "store")
        self.out = folder / "out"

    def _write_package(self) -> None:
        self.package.mkdir(parents=True)
        (self.package / "__init__.py").write_text("")
        (self.package / "words.py").write_text(WORDS)
        (self.package / "runs.py").write_text(RUNS)
        for kind, body in BODIES.items():
            (self.package / f"{kind}.py").write_text(STAGE.format(kind=kind, body=body))
        (self.folder / "runs.txt").touch()

    def install(self) -> None:
        os.environ["TOY_FOLDER"] = str(self.folder)
        sys.path.insert(0, str(self.folder / "code"))
        importlib.invalidate_caches()
        for kind in KINDS:
            importlib.import_module(f"{PACKAGE}.{kind}")
        self.stages = {kind: base.registered()[kind] for kind in KINDS}

    def remove(self) -> None:
        self.store.close()
        del os.environ["TOY_FOLDER"]
        sys.path.remove(str(self.folder / "code"))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
        for kind in KINDS:
            base._REGISTRY.pop(kind, None)

    def params(self, kind: str, **values: object) -> object:
        return self.stages[kind].params_type(**values)

    def read(self, name: str, source: Path, **params: object) -> Node:
        origins = {"first": f"{name}.first", "source": f"{name}.source"}
        inputs = {"source": SourceFile(source, f"{name}.source")}
        return Node(name, "read", self.params("read", label=name, **params), inputs, origins=origins)

    def join(self, name: str, *producers: str, **params: object) -> Node:
        inputs = {"texts": tuple(OutputRef(producer, "text") for producer in producers)}
        origins = {field: f"steps.{name}.{field}" for field in ("between", "times", "weight", "size")}
        return Node(name, "join", self.params("join", **{"label": name, **params}), inputs, origins=origins)

    def split(self, name: str, producer: str) -> Node:
        return Node(name, "split", self.params("split", label=name), {"text": OutputRef(producer, "text")})

    def pair(self, name: str, producer: str, start: int, stop: int, current: int = 0) -> Node:
        inputs = {"words": OutputRef(producer, "words", start, stop)}
        return Node(name, "pair", self.params("pair", current=current), inputs)

    def graph(self, *nodes: Node, deliver: str = "") -> StageGraph:
        items = (
            [Deliverable("result.txt", OutputRef(deliver or nodes[-1].name, "text"))] if deliver != "nothing" else []
        )
        return make_graph("toy", nodes, self.stages, items)

    def chain(self, source: Path, length: int = 4, **last: object) -> StageGraph:
        """read -> join[1] -> ... ; `last` are params of the last step."""
        nodes = [self.read("read", source)]
        for index in range(1, length):
            params = last if index == length - 1 else {}
            nodes.append(self.join(f"join[{index}]", nodes[-1].name, **params))
        return self.graph(*nodes)

    def build(self, graph: StageGraph, **options: object) -> BuildResult:
        """Builds with two cores into `out`; every failure is raised."""
        result = build(graph, self.store, BuildOptions(**{"out_dir": self.out, "jobs": 2, **options}))
        for error in result.failures.values():
            raise error
        return result

    def runs(self) -> Counter[str]:
        """Returns how often each label ran, and begins to count anew."""
        path = self.folder / "runs.txt"
        counts = Counter(path.read_text().split())
        path.write_text("")
        return counts

    def order(self, label: str, code: str) -> None:
        """Makes the step of this label run this code in its next run."""
        (self.folder / f"order-{label}").write_text(code)

    def edit_code(self, kind: str, old: str, new: str) -> None:
        path = self.package / f"{kind}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def long_chain(self, source: Path, size: int) -> StageGraph:
        """A reader and rows of ten steps, each step reading its neighbour above."""
        nodes = [self.read("read", source)]
        for index in range(size - 2):
            nodes.append(self.join(f"s{index}", nodes[max(0, index - 9)].name))
        return self.graph(*nodes, self.join("end", *(node.name for node in nodes[-10:])))

    def build_in(self, store: LocalStore, graph: StageGraph, out_dir: Path) -> BuildResult:
        """Builds with another store into another folder."""
        result = build(graph, store, BuildOptions(out_dir=out_dir, jobs=2))
        store.close()
        assert result.is_success, result.failures
        return result

    def fan(self, source: Path, width: int = 6, between: str = "") -> StageGraph:
        """read -> split -> pair[0..] (each reads up to three words) -> join."""
        nodes = [self.read("read", source), self.split("split", "read")]
        pairs = [self.pair(f"pair[{i}]", "split", max(0, i - 1), min(width, i + 2)) for i in range(width)]
        return self.graph(*nodes, *pairs, self.join("join", *(pair.name for pair in pairs), between=between))

    def text(self) -> str:
        return (self.out / "result.txt").read_text()

    def blob(self, graph: StageGraph, step: str, output: str = "text") -> Path:
        """Returns the stored blob of an output of a built step."""
        from i2v3d.plan.resolve import Resolver

        resolver, records = Resolver(graph, self.store), {}
        for name in graph.nodes:
            key = resolver.key(name, resolver.inputs(name, records))
            records[name] = self.store.records.find(key)
        return self.store.objects.path(records[step].outputs[output].files[0].digest)

    def reload(self, kind: str) -> None:
        """Lets this process know of an edit that changes what a stage says of itself."""
        importlib.reload(sys.modules[f"{PACKAGE}.{kind}"])
        self.stages[kind] = base.registered()[kind]

    def fresh_store(self, name: str) -> LocalStore:
        """Returns an empty store beside the first, for a clean build."""
        return LocalStore(self.folder / name)


@pytest.fixture
def toys(tmp_path: Path) -> Iterator[Toys]:
    toys = Toys(tmp_path)
    toys.install()
    yield toys
    toys.remove()


@pytest.fixture
def source(toys: Toys) -> Path:
    path = toys.folder / "source.txt"
    path.write_text("one two three four five six")
    return path
