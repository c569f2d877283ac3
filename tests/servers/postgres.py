"""A private PostgreSQL."""

import os
import pwd
import shutil
import signal
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psycopg

from tests.servers.process import START_DEADLINE, NotInstalledError, Server, in_wheel


class Postgres(Server):
    """A PostgreSQL with an empty database `runwire`, fast and not durable. The program is taken from PATH, Debian's
    folder or the wheel pgserver, in this order. Under root it runs as another user, since it refuses root."""

    dies_by = signal.SIGQUIT  # PostgreSQL's "immediate shutdown": no child process remains

    def __init__(self) -> None:
        programs = find_programs()
        if programs is None:
            raise NotInstalledError("PostgreSQL", package="postgresql", wheel="pgserver")
        super().__init__()
        if os.geteuid() == 0:
            self.user = "postgres" if _has_account("postgres") else "nobody"
            shutil.chown(self.directory, self.user)
            programs = _readable_by_all(programs, self.directory)
        self._programs = programs
        self._data = self.directory / "data"

    @property
    def url(self) -> str:
        return f"postgres://runwire@{self.host}:{self.port}/runwire"

    def start(self) -> None:
        if not self._data.exists():
            self._initialise()
        super().start()
        with psycopg.connect(self._url_of("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'runwire'").fetchone():
                connection.execute("CREATE DATABASE runwire")

    def _initialise(self) -> None:
        options = ["--username=runwire", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        process = self._spawn([str(self._programs / "initdb"), f"--pgdata={self._data}", *options])
        if process.wait(START_DEADLINE) != 0:
            raise RuntimeError(f"PostgreSQL could not create its data directory. It printed:\n{self.output}")

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,  # several processes, each with its pool
            "shared_buffers": "64MB",
            "fsync": "off",
            "synchronous_commit": "on",  # commits survive a kill, but not a crash of the machine
            "full_page_writes": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self._data), *words]

    def is_ready(self) -> bool:
        try:
            psycopg.connect(self._url_of("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def terminate(self) -> int:
        return self._end(signal.SIGINT)  # SIGTERM would wait for its clients

    def kill(self) -> int:
        """Like a crash: its children end at once, its shared memory is freed, and the next start recovers."""
        return self._end(signal.SIGQUIT)

    def _signal(self, number: int) -> None:
        super()._signal(number)
        if number in (signal.SIGSTOP, signal.SIGCONT):  # its children are not in its process group
            for child in self._children():
                with suppress(ProcessLookupError):
                    os.kill(child, number)

    def _children(self) -> Sequence[int]:
        path = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(child) for child in path.read_text().split()] if path.exists() else []

    def _url_of(self, database: str) -> str:
        return f"postgres://runwire@{self.host}:{self.port}/{database}"


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres` of the same version."""
    on_path = shutil.which("postgres")
    candidates = [Path(on_path).resolve().parent] if on_path else []
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(debian, key=lambda path: float(path.parent.name), reverse=True)
    if wheel := in_wheel("pgserver", "pginstall/bin"):
        candidates.append(Path(wheel))
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


def _readable_by_all(programs: Path, directory: Path) -> Path:
    """The folder itself if any user can read it, else a copy. Other users cannot read a virtualenv under /root."""
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in (programs, *programs.parents)):
        return programs
    copy = directory / "pgserver" / "pginstall"
    shutil.copytree(programs.parent, copy)
    libraries = programs.parent.parent.with_name("pgserver.libs")
    if libraries.exists():
        shutil.copytree(libraries, directory / "pgserver.libs")
    return copy / "bin"


def _has_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
