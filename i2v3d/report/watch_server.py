"""Serves a watch's page and the files of its scene to browsers on this machine, and to nobody else.

It listens on 127.0.0.1 only and refuses requests for another host's name, so that no web page can reach it by a name
that it has pointed here. What is served is a fixed list: the page, its state, and the scene's deliverables.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from i2v3d.errors import UsageError

HOST = "127.0.0.1"
DEFAULT_PORT = 8723
_PORTS_TRIED = 20
_HEARTBEAT_S = 15.0
_CHUNK = 1 << 16
_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")
_TYPES = {
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".py": "text/plain; charset=utf-8",
    ".glb": "model/gltf-binary",
}


@dataclass(frozen=True)
class Served:
    """What is served at one moment.

    Attributes:
        state: JSON of the page.
        out_dir: Folder of the deliverables; None before there is one.
        places: Files and folders in it that may be read, relative.
    """

    state: Mapping[str, Any]
    out_dir: Path | None = None
    places: tuple[str, ...] = ()

    def file(self, relative: str) -> Path | None:
        """Returns the file of this name, or None for everything that is no deliverable."""
        parts = relative.split("/")
        if self.out_dir is None or any(not part or part.startswith(".") or set(part) & set("\\\0") for part in parts):
            return None
        if not any(relative == place or relative.startswith(f"{place}/") for place in self.places):
            return None
        path = self.out_dir.joinpath(*parts)
        with contextlib.suppress(OSError):
            # A link in the folder may lead anywhere.
            if path.is_file() and path.resolve().is_relative_to(self.out_dir.resolve()):
                return path
        return None


class WatchServer:
    """A server in threads of its own.

    Args:
        pages: HTML by path, `/` the page itself; `{{NONCE}}` in it becomes a new word for each request.
        port: Where to listen; None takes the first free port from 8723 on.

    Raises:
        UsageError: The port is taken.
    """

    def __init__(self, pages: Mapping[str, str], port: int | None = None) -> None:
        self._pages = pages
        self._changed = threading.Condition()
        self._served = Served({})
        self._revision = 0
        self._is_open = True
        self._server = _listening(port)
        self._server.watch = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="watch page", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.port}/"

    @property
    def served(self) -> Served:
        """What is served now."""
        return self._served

    @property
    def pages(self) -> Mapping[str, str]:
        """HTML by path."""
        return self._pages

    def update(self, served: Served) -> None:
        """Serves this from now on, and tells every open page."""
        with self._changed:
            self._served = served
            self._revision += 1
            self._changed.notify_all()

    def next_state(self, seen: int) -> tuple[int, str] | None:
        """Waits for a state newer than `seen`; returns its number and JSON, None when a while has passed or it ends.

        Raises:
            ConnectionAbortedError: The server ends.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._revision > seen or not self._is_open, _HEARTBEAT_S)
            if not self._is_open:
                raise ConnectionAbortedError
            return (self._revision, json.dumps(self._served.state)) if self._revision > seen else None

    def close(self) -> None:
        """Ends it, and with it every open connection."""
        with self._changed:
            self._is_open = False
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    watch: WatchServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a browser that goes away in the middle."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "i2v3d"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answers with the page, its state, its events, or a file."""
        watch = self.server.watch
        own = {f"{name}:{watch.port}" for name in (HOST, "localhost")}
        if self.headers.get("Host", "").lower() not in own:
            self._refuse(HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1 and localhost only")
            return
        path = unquote(urlsplit(self.path).path)
        if path in watch.pages:
            self._send_page(watch.pages[path])
        elif path == "/state":
            self._send_text(json.dumps(watch.served.state), "application/json")
        elif path == "/events":
            self._send_events(watch)
        elif path.startswith("/files/"):
            self._send_file(watch.served.file(path.removeprefix("/files/")))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_HEAD(self) -> None:
        """Answers as GET does, without the content."""
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is the watch's."""

    def end_headers(self) -> None:
        """Ends the headers, with those that every answer has."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Frame-Options", "SAMEORIGIN")
        super().end_headers()

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._send_text(f"{message}\n", "text/plain; charset=utf-8", status)

    def _send_page(self, page: str) -> None:
        nonce = secrets.token_urlsafe(12)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' data:; "
            "media-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'"
        )
        text = page.replace("{{NONCE}}", nonce)
        self._send_text(text, "text/html; charset=utf-8", headers={"Content-Security-Policy": policy})

    def _send_text(
        self,
        text: str,
        content_type: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_events(self, watch: WatchServer) -> None:
        """Sends the state now and every later one, as server-sent events, until the browser or the watch goes."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        seen = -1
        with contextlib.suppress(OSError):  # also ConnectionAbortedError: the watch ends
            while True:
                found = watch.next_state(seen)
                if found is None:
                    self.wfile.write(b": still here\n\n")
                else:
                    seen, state = found
                    self.wfile.write(f"data: {state}\n\n".encode())

    def _send_file(self, path: Path | None) -> None:
        try:
            # Opened once: a file that is replaced meanwhile is sent to its end as it was.
            file = None if path is None else path.open("rb")
        except OSError:
            file = None
        if path is None or file is None:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such file")
            return
        with file:
            size = file.seek(0, 2)
            content_type = _TYPES.get(path.suffix.lower(), "application/octet-stream")
            try:
                part = _part(self.headers.get("Range"), size)
            except ValueError:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            first, last = part or (0, size - 1)
            self.send_response(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK)
            self.send_header("Content-Type", content_type)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(last - first + 1))
            if part:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.end_headers()
            if self.command != "HEAD":
                _copy(file, self.wfile, first, last - first + 1)


def _part(header: str | None, size: int) -> tuple[int, int] | None:
    """Returns the first and last byte that a Range header asks for; None for all, as for what is no single range.

    Raises:
        ValueError: There is no such part.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:  # so many from the end
        count = int(found["last"])
        if not count or not size:
            raise ValueError(header)
        return max(0, size - count), size - 1
    first = int(found["first"])
    last = min(int(found["last"]), size - 1) if found["last"] else size - 1
    if found["last"] and int(found["last"]) < first:
        return None  # not a range at all, by RFC 9110
    if first >= size:
        raise ValueError(header)
    return first, last


def _copy(source: BinaryIO, target: Any, first: int, count: int) -> None:
    source.seek(first)
    while count > 0 and (chunk := source.read(min(_CHUNK, count))):
        target.write(chunk)
        count -= len(chunk)


def _listening(port: int | None) -> _Server:
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED) if port is None else (port,):
        try:
            return _Server((HOST, candidate), _Handler)
        except OSError as error:
            if port is not None:
                what = f"port {port} can't be used: {error.strerror}"
                raise UsageError(what, hint="choose another `--port`") from error
    raise UsageError(f"no port from {DEFAULT_PORT} on is free", hint="choose one with `--port`")
