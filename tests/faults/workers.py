"""The other end of a worker process: asks it, and keeps what it says that it has committed."""

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
    """It was killed while it worked."""


class Committed:
    """What the workers have said: by execution and writer, the numbers of its changes."""

    def __init__(self) -> None:
        self.certain: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.uncertain: dict[tuple[str, str], set[int]] = defaultdict(set)

        self.forgotten: set[str] = set()

    def forget(self, execution: str) -> None:
        """What is committed there up to the next `clear` is not looked for: it was pruned, or taken back."""
        self.forgotten.add(execution)

    def clear(self) -> None:
        self.certain.clear()
        self.uncertain.clear()
        self.forgotten.clear()


class Worker:
    """Starts at once and is ready with its first answer. To be made in a thread that stays: Linux takes the end of that
    thread for the end of its parent."""

    def __init__(self, environment: Mapping[str, str], committed: Committed) -> None:
        self._committed = committed
        self._one_at_a_time = threading.Lock()
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

    async def do(self, deed: str, **arguments: Any) -> Any:
        """Returns its result, when it is done. Raises WorkerDied, or AssertionError with what went wrong."""
        return await asyncio.to_thread(self.ask, deed, **arguments)

    def ask(self, deed: str, **arguments: Any) -> Any:
        with self._one_at_a_time:
            return self._ask(deed, arguments)

    def _ask(self, deed: str, arguments: Mapping[str, Any]) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        writer = arguments.get("writer", "")
        try:
            self.process.stdin.write(json.dumps([deed, arguments]) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):  # ValueError: it has been closed meanwhile
            raise self._died(arguments) from None
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break  # it died in the middle of a word
            said = json.loads(line)
            if "result" in said:
                return said["result"]
            if "error" in said:
                raise AssertionError(f"{deed}: {said['error']}")
            if "committed" in said:
                execution, number = said["committed"]
                self._committed.certain[execution, writer].append(number)
            else:
                execution, number = said["uncertain"]
                self._committed.uncertain[execution, writer].add(number)
        raise self._died(arguments)

    def _died(self, arguments: Mapping[str, Any]) -> WorkerDied:
        """What it was about to write may be there or not."""
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
                with suppress(BrokenPipeError):  # of words that it did not hear any more
                    pipe.close()
