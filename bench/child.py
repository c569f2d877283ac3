"""A helper process. It reads one JSON command a line, and answers each with one line."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from bench.machine import LOAD_CORES, cpu_seconds, on_cores
from tests.servers.process import ROOT


class Child:
    """`child.call("open", port=1)` runs the command `open` in the module's `serve`."""

    def __init__(self, module: str, environment: Mapping[str, str] | None = None) -> None:
        with on_cores(LOAD_CORES):
            self._process = subprocess.Popen(
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                text=True,
            )

    def begin(self, command: str, **arguments: Any) -> None:
        """Starts a command. `end` waits for its answer."""
        self._process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
        self._process.stdin.flush()

    def end(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("A helper process of the benchmark has ended. Its error is above.")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def call(self, command: str, **arguments: Any) -> Any:
        self.begin(command, **arguments)
        return self.end()

    @property
    def cpu(self) -> float:
        """Seconds of CPU that the process has used."""
        return cpu_seconds(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def serve(commands: Mapping[str, Callable[..., Any]]) -> None:
    """Runs in the child: answers commands that are plain functions."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # prints of the commands go to the terminal
    for line in sys.stdin:
        print(json.dumps(answer(commands, json.loads(line))), file=answers, flush=True)


def answer(commands: Mapping[str, Callable[..., Any]], arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"result": commands[arguments.pop("command")](**arguments)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def pace(count: int, rate: float) -> Any:
    """Counts up to `count`, `rate` times a second. A late number follows at once. If `is_late`, the count ends."""
    start = time.monotonic()
    for number in range(count):
        wait = start + number / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        elif is_late(start, count, rate):
            return
        yield number


def is_late(start: float, count: int, rate: float) -> bool:
    """Whether more than 1.5 times the planned time has passed: a busy machine must not delay the whole benchmark."""
    return time.monotonic() - start > max(1.5 * count / rate, 2)
