"""Headless Chromium over WebDriver, which is JSON over HTTP: it needs chromedriver and no further package."""

import asyncio
import base64
import os
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from perdure.testing import eventually

__all__ = ["DESKTOP", "ENTER", "MISSING", "PHONE", "TAB", "Chrome", "CommandError", "chrome"]

TAB, ENTER = "\ue004", "\ue007"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""Key under which WebDriver names an element."""
DESKTOP, PHONE = (1280, 900), (390, 844)
STARTED = re.compile(r"started successfully on port (\d+)")
START_SECONDS, TRIES = 30, 5
FIND_MILLISECONDS = 5_000
"""How long an element may take to appear: a click can return before its page is there."""

DRIVER = shutil.which("chromedriver")
BINARY = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = (
    ""
    if DRIVER and BINARY
    else "no Chromium with chromedriver on this machine: apt-get install -y chromium chromium-driver"
)
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root; only our own pages are opened
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    "--hide-scrollbars",
)


class CommandError(AssertionError):
    """The driver refuses a command; a page that is just being left has no elements."""


class Chrome:
    """One window; scripts of pages are switched off."""

    def __init__(self, http: httpx2.AsyncClient, session: str) -> None:
        """Send commands to this session."""
        self._http = http
        self._session = session

    async def command(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One WebDriver command; raises CommandError with what the driver says is wrong."""
        answer = await self._http.request(
            method, f"{self._session}/{path}", json=body if body is not None or method == "GET" else {}
        )
        value = answer.json()["value"]
        if not answer.is_success:
            raise CommandError(f"{path}: {value['error']}: {value['message'].splitlines()[0]}")
        return value

    async def open(self, address: str) -> None:
        """Open a page and wait until it is loaded."""
        await self.command("POST", "url", {"url": address})

    async def size(self, width: int, height: int) -> None:
        """Make the page this large, as a device of that size would have it: windows cannot be as narrow as phones."""
        await self.cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def find(self, css: str) -> str:
        """The first element that a selector finds; raises CommandError when there is none."""
        return (await self.command("POST", "element", {"using": "css selector", "value": css}))[ELEMENT]

    async def link(self, text: str) -> str:
        """The link with this text."""
        return (await self.command("POST", "element", {"using": "link text", "value": text}))[ELEMENT]

    async def text(self, css: str = "body") -> str:
        """What a reader sees of an element."""
        return await self.command("GET", f"element/{await self.find(css)}/text")

    async def shows(self, css: str, words: str) -> bool:
        """Wait until an element says this: a key that opens a page does not wait for it."""

        async def look() -> str:
            try:
                return await self.text(css)
            except CommandError:
                return ""

        return bool(await eventually(look, lambda text: words in text))

    async def value(self, css: str) -> str:
        """What a control holds."""
        return await self.command("GET", f"element/{await self.find(css)}/property/value")

    async def click(self, element: str) -> None:
        """Click; returns when the page that this opens is loaded."""
        await self.command("POST", f"element/{element}/click")

    async def fill(self, css: str, text: str) -> None:
        """Replace what a field holds."""
        element = await self.find(css)
        await self.command("POST", f"element/{element}/clear")
        await self.command("POST", f"element/{element}/value", {"text": text})

    async def press(self, keys: str) -> None:
        """Press keys one after the other, wherever the focus is; nothing is clicked or looked up."""
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        await self.command("POST", "actions", {"actions": [{"type": "key", "id": "keyboard", "actions": pressed}]})

    async def focused(self) -> str:
        """Role and name of what has the focus, as a screen reader says it: `button Approve this change`."""
        element = (await self.command("GET", "element/active"))[ELEMENT]
        role, label = [await self.command("GET", f"element/{element}/computed{part}") for part in ("role", "label")]
        return f"{role} {label}"

    async def tab_to(self, wanted: str, most: int = 40) -> list[str]:
        """Press Tab until the focus is on what is wanted (see `focused`); returns all that had the focus on the way."""
        seen = list[str]()
        while wanted not in seen:
            assert len(seen) < most, f"no {wanted!r} in {seen}"
            await self.press(TAB)
            seen.append(await self.focused())
        return seen

    async def overflow(self) -> int:
        """Pixels by which the page is wider than the window: a reader would have to scroll sideways."""

        async def laid_out() -> dict[str, Any]:
            return await self.cdp("Page.getLayoutMetrics")

        found = await eventually(laid_out, lambda metrics: metrics["cssContentSize"]["width"] > 0)
        return int(found["cssContentSize"]["width"]) - int(found["cssLayoutViewport"]["clientWidth"])

    async def cdp(self, name: str, **parameters: Any) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        return await self.command("POST", "goog/cdp/execute", {"cmd": name, "params": parameters})

    async def shot(self, name: str) -> None:
        """Write the whole page as NAME.png into the folder PERDURE_TEST_SHOTS, where that is set."""
        folder = os.environ.get("PERDURE_TEST_SHOTS")
        if folder:
            taken = await self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True)
            await asyncio.to_thread(Path(folder, f"{name}.png").write_bytes, base64.b64decode(taken["data"]))


@asynccontextmanager
async def chrome() -> AsyncGenerator[Chrome]:
    """Start the driver and a window; both are gone when the block ends."""
    process, port = await _driver()
    try:
        async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
            session = await _session(http, f"http://127.0.0.1:{port}")
            try:
                yield Chrome(http, session)
            finally:
                await http.delete(session)
    finally:
        process.terminate()
        await process.wait()


async def _driver() -> tuple[asyncio.subprocess.Process, int]:
    """The driver and its port. It takes a port for IPv6 first, which may be in use for IPv4: then another try helps."""
    assert DRIVER is not None, MISSING
    seen = ""
    for _ in range(TRIES):
        process = await asyncio.create_subprocess_exec(
            DRIVER, "--port=0", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            while line := (await process.stdout.readline()).decode():
                if found := STARTED.search(line):
                    return process, int(found[1])
                seen += line
            await process.wait()
    raise AssertionError(f"chromedriver did not start: {seen}")


async def _session(http: httpx2.AsyncClient, driver: str) -> str:
    options: dict[str, Any] = {
        "binary": BINARY,
        "args": list(ARGUMENTS),
        "prefs": {"profile.managed_default_content_settings.javascript": 2},
    }
    match = {"browserName": "chrome", "goog:chromeOptions": options, "timeouts": {"implicit": FIND_MILLISECONDS}}
    wanted = {"capabilities": {"alwaysMatch": match}}
    answer = await http.post(f"{driver}/session", json=wanted)
    value = answer.json()["value"]
    assert answer.is_success, value
    return f"{driver}/session/{value['sessionId']}"
