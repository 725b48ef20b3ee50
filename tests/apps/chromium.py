# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium, driven through its debugging pipe: a page, what it asked the network for,
what it said on its console, and pictures of it."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-extensions", "--disable-sync", "--mute-audio", "--hide-scrollbars",
            "--remote-debugging-pipe")


class Chromium:
    """One page of one browser. Use it as a context."""

    def __init__(self, folder):
        pipes = [*os.pipe(), *os.pipe()]
        # Away from 3 and 4, which the browser expects its ends to be.
        to_browser, self._to, self._from, from_browser = (
            fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 100) for end in pipes)
        for end in pipes:
            os.close(end)

        def as_three_and_four():
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        self._process = subprocess.Popen(
            [PROGRAM, *SWITCHES, f"--user-data-dir={folder}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=as_three_and_four,
            close_fds=False, env={**os.environ, "HOME": str(folder)})
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._count = 0
        self._session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target,
                                  flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def _read(self, until):
        while b"\0" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._from], [], [], left)[0]:
                raise TimeoutError("Chromium does not answer")
            piece = os.read(self._from, 1 << 16)
            if not piece:
                raise EOFError("Chromium has ended")
            self._buffer += piece
        text, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **params):
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + 60
        while True:
            answer = self._read(until)
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _wait_for(self, method, seen):
        until = time.monotonic() + 60
        while not any(event.get("method") == method for event in self.events[seen:]):
            self.events.append(self._read(until))

    def wait_until(self, expression):
        until = time.monotonic() + 30
        while not self.value(expression):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.05)

    def open(self, url, width=1240, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        seen = len(self.events)
        self.call("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired", seen)

    def media(self, kind="", scheme="light"):
        self.call("Emulation.setEmulatedMedia", media=kind,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def value(self, expression):
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                          awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def picture(self, path):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def requests(self):
        """What the page asked for, but itself."""
        urls = [event["params"]["request"]["url"] for event in self.events
                if event.get("method") == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith("file:") or url != urls[0]]

    def complaints(self):
        said = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                said.append(params["exceptionDetails"])
            elif event.get("method") == "Runtime.consoleAPICalled":
                said.append(params)
            elif event.get("method") == "Log.entryAdded":
                said.append(params["entry"])
        return said
