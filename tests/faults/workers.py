"""Starts worker processes, sends them requests, and collects what they committed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.servers.process import LEASH, ROOT


class WorkerDied(Exception):  # noqa: N818
    """The worker was killed during a request."""


class Committed:
    """The numbers of the changes that the workers committed, by execution and writer."""

    def __init__(self) -> None:
        self.certain: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.uncertain: dict[tuple[str, str], set[int]] = defaultdict(set)

        self.ignored: set[str] = set()

    def ignore(self, execution: str) -> None:
        """Excludes an execution from the check until `clear`, because its events were pruned or set back."""
        self.ignored.add(execution)

    def clear(self) -> None:
        self.certain.clear()
        self.uncertain.clear()
        self.ignored.clear()


class Worker:
    """Starts the process. It is ready when it answers its first request. Create it in a thread that stays: Linux kills
    the process when the thread that started it ends."""

    def __init__(self, environment: Mapping[str, str], committed: Committed) -> None:
        self._committed = committed
        self._lock = threading.Lock()
        leash = [sys.executable, "-IS", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)), ""]
        self.process = subprocess.Popen(
            [*leash, sys.executable, "-m", "tests.faults.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=dict(environment),
            text=True,
            start_new_session=True,
        )

    async def do(self, action: str, **arguments: Any) -> Any:
        """Runs the action and returns its result. Raises WorkerDied, or AssertionError with the error of the action."""
        return await asyncio.to_thread(self.ask, action, **arguments)

    def ask(self, action: str, **arguments: Any) -> Any:
        with self._lock:
            return self._ask(action, arguments)

    def _ask(self, action: str, arguments: Mapping[str, Any]) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        writer = arguments.get("writer", "")
        try:
            self.process.stdin.write(json.dumps([action, arguments]) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):  # ValueError: the pipe is closed
            raise self._died(arguments) from None
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break  # it died in the middle of a line
            message = json.loads(line)
            if "result" in message:
                return message["result"]
            if "error" in message:
                raise AssertionError(f"{action}: {message['error']}")
            if "committed" in message:
                execution, number = message["committed"]
                self._committed.certain[execution, writer].append(number)
            else:
                execution, number = message["uncertain"]
                self._committed.uncertain[execution, writer].add(number)
        raise self._died(arguments)

    def _died(self, arguments: Mapping[str, Any]) -> WorkerDied:
        """Marks the changes of the request as uncertain."""
        for execution in arguments.get("executions", ()):
            numbers = range(arguments["first"], arguments["first"] + arguments["count"])
            self._committed.uncertain[execution, arguments["writer"]].update(numbers)
        return WorkerDied()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe and not pipe.closed:
                with suppress(BrokenPipeError):  # of unsent requests
                    pipe.close()
