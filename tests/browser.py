"""A real browser for the tests of pages: Chromium without a window, driven through two pipes.

It speaks the DevTools protocol: JSON messages with a zero byte after each, which go in at
file descriptor 3 and come out at 4. What the page asked of any network and what it said on
its console is kept. All names resolve to a closed port of this machine.
"""

import json
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from types import TracebackType
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * 127.0.0.1:9",
    "--remote-debugging-pipe",
]
PATIENCE_S = 60

COUNT_COLOURS = """(async () => {
  // A tab that nobody looks at may never get round to decoding an <img>.
  const bytes = Uint8Array.from(atob("%s"), (letter) => letter.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
  return { colours: counts.size, commonest: Math.max(...counts.values()) / pixels.length };
})()"""


def find_browser() -> str:
    """The browser to use; skips the test where there is none, but fails it in CI."""
    if sys.platform == "win32":
        pytest.skip("the browser is driven through inherited pipes, which Windows has not")
    for name in (*NAMES, MAC):
        found = shutil.which(name)
        if found:
            return found
    if os.environ.get("CI"):
        pytest.fail("no Chromium or Chrome was found, and CI is set: install one")
    pytest.skip("no Chromium or Chrome was found: install one to test pages in it")


class Browser:
    """One run of the browser with an empty profile, and two tabs: the page and a blank one."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """Addresses that the page asked for, itself first."""
        self.complaints: list[str] = []
        """What the page wrote to its console, what went wrong in it, what its policy refused."""
        browser = find_browser()
        self._number = 0
        self._profile = TemporaryDirectory(ignore_cleanup_errors=True)
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # The protocol has fixed numbers for its pipes, so a shell puts them there.
        shell = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        profile = f"--user-data-dir={self._profile.name}"
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "browser", browser, *FLAGS, profile],
            pass_fds=(to_read, to_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._pending = b""
        self._blank = self._tab()
        self._page = self._tab()
        for domain in ("Network", "Runtime", "Log", "Page"):
            self._ask(f"{domain}.enable", self._page)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._profile.cleanup()

    def open(self, path: Path, width: int, until: str, dark: bool = False) -> None:
        """Open a file in a window so wide, and wait until an expression is true in it."""
        self.requests.clear()
        self.complaints.clear()
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", self._page, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", self._page, features=[scheme])
        self._ask("Page.navigate", self._page, url=path.as_uri())
        give_up = monotonic() + PATIENCE_S
        while self.evaluate(f"document.readyState === 'complete' && !!({until})") is not True:
            assert monotonic() < give_up, f"not true in {PATIENCE_S} s: {until}"

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page, as JSON knows it."""
        return self._value(self._page, expression)

    def colours(self, area: dict[str, float]) -> tuple[int, float]:
        """Different colours in an area of the page, and the share of the commonest."""
        clip = area | {"scale": 1}
        taken = self._ask(
            "Page.captureScreenshot", self._page, clip=clip, captureBeyondViewport=True
        )
        counted = self._value(self._blank, COUNT_COLOURS % taken["data"])
        return counted["colours"], counted["commonest"]

    def _tab(self) -> str:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        return self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def _value(self, tab: str, expression: str) -> Any:
        done = self._ask(
            "Runtime.evaluate", tab, expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def _ask(self, method: str, tab: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if tab is not None:
            message["sessionId"] = tab
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._to, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _next(self) -> dict[str, Any]:
        parts = [self._pending]
        while b"\0" not in parts[-1]:
            ready, _, _ = select.select([self._from], [], [], PATIENCE_S)
            assert ready, f"the browser has said nothing for {PATIENCE_S} s"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser ended"
            parts.append(more)
        message, _, self._pending = b"".join(parts).partition(b"\0")
        return json.loads(message)

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            # What stands in the page itself is asked of nobody; a repaint may report it late.
            if not told["request"]["url"].startswith("data:"):
                self.requests.append(told["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(f"{told['type']}: {told['args']}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif method == "Log.entryAdded":
            self.complaints.append(f"{told['entry']['level']}: {told['entry']['text']}")
