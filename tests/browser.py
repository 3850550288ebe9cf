"""A headless Chromium for tests: the DevTools protocol over a pair of pipes, with nothing but the standard library."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)


class Browser:
    """A running Chromium with one page at a time."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="i2v3d-browser-")
        to_read, self._to_browser = os.pipe()
        self._from_browser, to_write = os.pipe()
        # Chromium reads commands from descriptor 3 and answers on 4.
        script = f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}'
        flags = [*_FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        with (Path(self._profile.name) / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", script, program, *flags],
                pass_fds=(to_read, to_write),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._to_browser)
        os.close(self._from_browser)
        self._profile.cleanup()

    def open(self, address: str, *, width: int, height: int, dark: bool = False, touch: bool = False) -> Page:
        """Returns a loaded page; scale 1."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.events.clear()
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch}
        page.call("Emulation.setDeviceMetricsOverride", metrics)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", {"features": [feature]})
        page.call("Page.navigate", {"url": address})
        page.wait_for("document.readyState === 'complete'")
        return page

    def call(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> Any:
        """Returns the answer to a command."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        os.write(self._to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _receive(self, timeout_s: float = 60.0) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from_browser], [], [], timeout_s)
            data = os.read(self._from_browser, 1 << 16) if ready else b""
            assert data, "the browser does not answer"
            self._buffer += data
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)


class Page:
    """An open page."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser = browser
        self._session = session
        self._target = target

    def call(self, method: str, params: dict[str, Any] | None = None) -> Any:
        return self._browser.call(method, params, self._session)

    def close(self) -> None:
        self._browser.call("Target.closeTarget", {"targetId": self._target})

    def js(self, expression: str) -> Any:
        """Returns the value of an expression, awaited where it is a promise."""
        params = {"expression": expression, "returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", params)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_for(self, expression: str, timeout_s: float = 30.0) -> None:
        """Returns when the expression is true."""
        wait = (
            f"new Promise((done) => {{ const end = performance.now() + {1000 * timeout_s};"
            f" const look = () => ({expression}) ? done(true)"
            " : performance.now() > end ? done(false) : setTimeout(look, 15); look(); })"
        )
        end = time.monotonic() + timeout_s
        while True:
            try:
                assert self.js(wait), f"never true: {expression}"
                return
            except AssertionError as error:
                # A page that is being left takes its promises along.
                if "never true" in str(error) or time.monotonic() > end:
                    raise

    def key(self, name: str, **modifiers: int) -> None:
        text = " " if name == " " else ""
        for kind in ("keyDown", "keyUp"):
            press = {"type": kind, "key": name, "code": "Space" if name == " " else name, **modifiers}
            self.call("Input.dispatchKeyEvent", {**press, **({"text": text} if text and kind == "keyDown" else {})})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Presses the left button at one place and releases it at another, in pixels of the window."""
        mouse = {"button": "left", "clickCount": 1, "buttons": 1}
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        for kind, (x, y) in (("Pressed", start), ("Moved", middle), ("Moved", end), ("Released", end)):
            self.call("Input.dispatchMouseEvent", {"type": f"mouse{kind}", "x": x, "y": y, **mouse})

    def screenshot(self, *, whole: bool = False) -> np.ndarray:
        """Returns uint8 (height, width, 3) of what is in sight, or of the whole page."""
        answer = self.call(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole, **self._clip(whole)}
        )
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB"))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    @property
    def complaints(self) -> list[str]:
        """What the page wrote to the console as a warning or error, and what it threw."""
        self.js("1")
        found = []
        for event in self._browser.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif event.get("method") == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(str(params["args"]))
            elif event.get("method") == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(str(params["entry"]))
        return found

    @property
    def requests(self) -> list[str]:
        """The addresses that were asked for, but those inside the page."""
        self.js("1")
        sent = (
            e["params"]["request"]["url"]
            for e in self._browser.events
            if e.get("method") == "Network.requestWillBeSent"
        )
        return [address for address in sent if not address.startswith(("data:", "blob:"))]
