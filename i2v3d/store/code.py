"""The digest of the code behind a step: tokens without comments, docstrings and layout.

It covers the stage's module, its backend's module, what they import statically from their own
top-level package or from i2v3d, and the template folders that the stage names. Parent packages are
covered only where a name is imported from them: by house rule an import only defines names.
"""

from __future__ import annotations

import ast
import io
import sys
import time
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from i2v3d.errors import GraphError
from i2v3d.store.digests import digest_bytes, digest_json
from i2v3d.store.stamps import Stamp, stamp_of
from i2v3d.store.state import State

_OWN_PACKAGE = "i2v3d"
_LAYOUT = (tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER)
_MARKS = {tokenize.NEWLINE: "\n", tokenize.INDENT: "\x01", tokenize.DEDENT: "\x02"}


@dataclass(frozen=True)
class CodeDigest:
    """The code behind a step.

    Attributes:
        digest: Of all of it.
        parts: Digest by module name or template file, to say which one changed.
        foreign: Top-level names imported from other distributions.
        stamps: Stamp by file, to see whether code changed while a step ran.
    """

    digest: str
    parts: Mapping[str, str]
    foreign: tuple[str, ...]
    stamps: Mapping[str, Stamp]

    def is_unchanged(self) -> bool:
        """Whether every file is still the one that was digested."""
        try:
            return all(stamp_of(path) == stamp for path, stamp in self.stamps.items())
        except OSError:
            return False


@dataclass(frozen=True)
class _Module:
    digest: str
    imports: tuple[str, ...]
    stamp: Stamp


class CodeDigests:
    """Digests of code, each file read once and remembered by its stamp."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._modules: dict[str, tuple[Path, _Module] | None] = {}
        self._done: dict[tuple[str, ...], CodeDigest] = {}

    def digest(self, modules: Iterable[str], templates: Iterable[Path] = ()) -> CodeDigest:
        """Returns the digest of these modules' import closure and of the files below template folders."""
        names, folders = tuple(modules), tuple(templates)
        known = (*names, *map(str, folders))
        if known not in self._done:
            self._done[known] = self._compute(names, folders)
        return self._done[known]

    def _compute(self, names: tuple[str, ...], folders: tuple[Path, ...]) -> CodeDigest:
        roots = {name.partition(".")[0] for name in names} | {_OWN_PACKAGE}
        parts: dict[str, str] = {}
        stamps: dict[str, Stamp] = {}
        foreign: set[str] = set()
        waiting = list(names)
        seen = set(names)
        while waiting:
            name = waiting.pop()
            if name.partition(".")[0] not in roots:
                foreign.add(name.partition(".")[0])
                continue
            found = self._module(name)
            if found is None:
                continue  # `from package.module import name` asks for package.module.name too
            path, module = found
            parts[name], stamps[str(path)] = module.digest, module.stamp
            fresh = [imported for imported in module.imports if imported not in seen]
            seen.update(fresh)
            waiting += fresh
        for folder in folders:
            for path in sorted(
                path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
            ):
                parts[f"{folder.name}/{path.relative_to(folder).as_posix()}"] = digest_bytes(path.read_bytes())
                stamps[str(path)] = stamp_of(path)
        outside = tuple(sorted(foreign - set(sys.stdlib_module_names)))
        return CodeDigest(digest_json(sorted(parts.items())), parts, outside, stamps)

    def _module(self, name: str) -> tuple[Path, _Module] | None:
        if name not in self._modules:
            path = _source_of(name)
            self._modules[name] = None if path is None else (path, self._read(name, path))
        return self._modules[name]

    def _read(self, name: str, path: Path) -> _Module:
        stamp = stamp_of(path)
        # The module's name is in the memo because relative imports are resolved against it.
        memo = self._state.memo(f"code:{name}:{path}", repr(tuple(stamp)))
        if memo is None:
            read_at_ns = time.time_ns()
            source = path.read_bytes()
            try:
                imports = sorted(set(_imports(source, name, is_package=path.name == "__init__.py")))
                memo = [digest_bytes(normalised_tokens(source)), imports]
            except (SyntaxError, tokenize.TokenError, ValueError) as error:
                raise GraphError(f"{path}: not valid Python: {error}") from error
            if stamp.is_settled(read_at_ns):
                self._state.set_memo(f"code:{name}:{path}", repr(tuple(stamp)), memo)
        return _Module(memo[0], tuple(memo[1]), stamp)


def normalised_tokens(source: bytes) -> bytes:
    """Returns Python source as its tokens, without comments, docstrings, blank lines and layout."""
    line: list[str] = []
    is_text_only = True
    kept: list[str] = []
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type in _LAYOUT:
            continue
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            kept.append(_MARKS[token.type])
        elif token.type == tokenize.NEWLINE:
            if not (is_text_only and line):  # a statement of text only is a docstring
                kept += [*line, _MARKS[token.type]]
            line, is_text_only = [], True
        else:
            line.append(token.string)
            is_text_only = is_text_only and token.type == tokenize.STRING
    return "\x00".join(kept).encode()


def _imports(source: bytes, module: str, *, is_package: bool) -> Iterator[str]:
    for node in _run_nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package=is_package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yields every node that may run, so none below `if TYPE_CHECKING:`."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for otherwise in child.orelse:
                yield from _run_nodes(otherwise)
        else:
            yield from _run_nodes(child)


def _absolute(node: ast.ImportFrom, module: str, *, is_package: bool) -> str:
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    parents = parts[: len(parts) - node.level + (1 if is_package else 0)]
    return ".".join([*parents, *([node.module] if node.module else [])])


def _source_of(name: str) -> Path | None:
    """Returns the source file of a module without importing it or its parents."""
    top, *rest = name.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest or spec.submodule_search_locations is None:
        return Path(spec.origin) if not rest and spec.origin and spec.origin.endswith(".py") else None
    for location in spec.submodule_search_locations:
        base = Path(location, *rest)
        for candidate in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None
