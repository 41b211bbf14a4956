"""A real Chromium, headless, driven by its DevTools protocol over a pair of pipes.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import select
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
HOW = "Install it, for example with: apt-get install chromium"
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--hide-scrollbars", "--remote-debugging-pipe"),
)
_PATIENCE_S = 60.0


def axe_core() -> str:
    """The script of axe-core, as a package of the test tools brings it; empty: not installed."""
    found = importlib.util.find_spec("axe_playwright_python")
    for folder in (found.submodule_search_locations or []) if found else []:
        return Path(folder, "axe.min.js").read_text(encoding="utf-8")
    return ""


@dataclass
class Visit:
    """What was seen on a page."""

    title: str
    scroll_width: int
    requests: list[str]
    """Everything that was fetched besides data in the page itself."""
    errors: list[str]
    """Errors and warnings on the console, exceptions, violations of the security policy."""
    violations: list[str] = field(default_factory=list)
    """What axe-core found."""


class Browser:
    """One browser with one tab."""

    def __enter__(self) -> Browser:
        assert PROGRAM
        self._profile = TemporaryDirectory(prefix="astran-browser-")
        ours, theirs = os.pipe(), os.pipe()  # commands, answers
        words = [PROGRAM, *_OPTIONS, f"--user-data-dir={self._profile.name}", "about:blank"]
        # Chromium reads commands from descriptor 3 and answers on 4; bash, for sh may know no
        # descriptors above 9
        shell = ["/bin/bash", "-c", f'exec "$@" 3<&{ours[0]} 4>&{theirs[1]}', "bash", *words]
        self._process = subprocess.Popen(
            shell,
            pass_fds=(ours[0], theirs[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._out, self._in = ours[1], theirs[0]
        self._buffer = b""
        self._number = 0
        self._events: list[dict[str, Any]] = []
        self._session = ""
        pages = self.call("Target.getTargets")["targetInfos"]
        page = next(info["targetId"] for info in pages if info["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command and its answer."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        end = time.monotonic() + _PATIENCE_S
        while True:
            answer = self._read(end)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return dict(answer["result"])
            self._events.append(answer)

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def visit(self, url: str, width: int, dark: bool = False, height: int = 900) -> Visit:
        """Open a page on a screen of this width [px], in light or dark colours."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        self.call("Page.navigate", url=url)
        self._wait("Page.loadEventFired")
        # lazy pictures are wanted as well
        self.evaluate(
            "Promise.all([...document.images].map((i) => { i.loading = 'eager';"
            " return i.decode().catch(() => 0); }))"
        )
        title, scroll = self.evaluate("[document.title, document.documentElement.scrollWidth]")
        return Visit(title, scroll, self._requests(), self._errors())

    def audit(self) -> list[str]:
        """What axe-core finds wrong with the page that is open."""
        # run by the debugger: the security policy of the page does not stop it
        self.evaluate(f"{axe_core()}\n;0")
        found = self.evaluate("axe.run().then((r) => r.violations)")
        return [
            f"{rule['id']}: {rule['help']}: {node['html'][:200]}"
            for rule in found
            for node in rule["nodes"]
        ]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """The page as a picture."""
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def press(self, key: str) -> None:
        """A key, as from a keyboard."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27}
        text = {"text": "\r"} if key == "Enter" else {}
        common: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def _requests(self) -> list[str]:
        sent = (e["params"] for e in self._events if e.get("method") == "Network.requestWillBeSent")
        urls = [params["request"]["url"] for params in sent]
        return [url for url in urls if not url.startswith("data:")]

    def _errors(self) -> list[str]:
        found = []
        for event in self._events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"].get("exception", params)))
            elif event.get("method") == "Log.entryAdded":
                found.append(params["entry"]["text"])
            elif event.get("method") == "Runtime.consoleAPICalled":
                found.append(f"{params['type']}: {params['args']}")
        return found

    def _wait(self, method: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while not any(event.get("method") == method for event in self._events):
            self._events.append(self._read(end))

    def _read(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser has gone"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))
