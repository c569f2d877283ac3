"""A backup of the test database by pg_dump, restored by pg_restore while servers run on it."""

import os
import subprocess
from pathlib import Path

import psycopg
from django.db import connection
from psycopg.sql import SQL, Identifier

from tests.servers.postgres import find_programs
from tests.servers.process import NotInstalledError


class Backup:
    """The test database as it is now."""

    def __init__(self, path: Path) -> None:
        self._path, self._database = path, connection.settings_dict
        self._run("pg_dump", "--format=custom", f"--file={path}", self._name)

    @property
    def _name(self) -> str:
        return str(self._database["NAME"])

    def restore(self) -> None:
        """Restores into a new database, and gives it the name of the test database. All connections to that end."""
        restored, former = f"{self._name}_restored", f"{self._name}_former"
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]
        with psycopg.connect(self._url, autocommit=True) as server:

            def do(statement: str, *names: str) -> None:
                server.execute(SQL(statement).format(*map(Identifier, names)))  # type: ignore[arg-type]

            do("CREATE DATABASE {} TEMPLATE template0", restored)
            self._run("pg_restore", f"--dbname={restored}", str(self._path))
            do("ALTER DATABASE {} ALLOW_CONNECTIONS false", self._name)
            server.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s", [self._name]
            )
            do("ALTER DATABASE {} RENAME TO {}", self._name, former)
            do("ALTER DATABASE {} RENAME TO {}", restored, self._name)
            do("DROP DATABASE {}", former)

    @property
    def _url(self) -> str:
        return f"postgres://{self._database['USER']}@{self._database['HOST']}:{self._database['PORT']}/postgres"

    def _run(self, program: str, *arguments: str) -> None:
        folder = find_programs()
        if folder is None or not (folder / program).exists():
            raise NotInstalledError(program, package="postgresql-client", wheel="pgserver")
        environment = {
            **os.environ,
            "PGHOST": str(self._database["HOST"]),
            "PGPORT": str(self._database["PORT"]),
            "PGUSER": str(self._database["USER"]),
        }
        subprocess.run([folder / program, *arguments], env=environment, check=True)
