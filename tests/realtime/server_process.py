"""The server as a process on a free port. Tests can read its output and wait for a line of it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
PATIENCE = 60  # seconds; only a test that fails waits for so long
LISTENING = re.compile(r"Listening on TCP address [\d.]+:(\d+)")


def limits(**limits: float) -> dict[str, str]:
    """An environment that sets these limits."""
    return {"TEST_LIMITS": json.dumps(limits)}


class ServerProcess:
    """`with ServerProcess() as server:` listens on `server.port`, and is stopped by SIGTERM at the end."""

    def __init__(
        self,
        *options: str,
        command: tuple[str, ...] = ("-m", "realtime.server"),
        application: str = "tests.realtime.asgi_apps:application",
        environment: dict[str, str] | None = None,
    ) -> None:
        address = [] if "--endpoint" in options else ["-b", "127.0.0.1", "-p", "0"]
        self.command = [sys.executable, *command, application, *address, *options]
        settings = {"DJANGO_SETTINGS_MODULE": "tests.realtime.server_settings", "PYTHONUNBUFFERED": "1"}
        self.environment = {**os.environ, **settings, **(environment or {})}
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._has_ended = False

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=self.environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            found = LISTENING.search(self.wait_for(LISTENING))
        except BaseException:
            self.stop()
            raise
        assert found is not None
        self.port = int(found[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def output(self) -> str:
        """Its stdout and stderr so far."""
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, text: str | re.Pattern[str]) -> str:
        """Waits for a line that contains the text, and returns the first one. Fails if the process ends before."""
        pattern = re.compile(re.escape(text)) if isinstance(text, str) else text

        def found() -> str | None:
            return next((line for line in self._lines if pattern.search(line)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._has_ended, PATIENCE)
            line = found()
        assert line is not None, f"The server never wrote {pattern.pattern!r}, but:\n{self.output}"
        return line

    def get(self, path: str) -> str:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as response:
            body: bytes = response.read()
        return body.decode()

    def send_signal(self, sign: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(sign)

    def stop(self, sign: signal.Signals | None = signal.SIGTERM) -> int:
        """Sends the signal, waits for the end and returns the exit code. None sends no signal."""
        if sign and self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
