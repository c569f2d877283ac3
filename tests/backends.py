"""A pytest plugin that starts the databases and the channel layer of a test run. It is loaded before pytest-django
(`-p tests.backends`), because the settings come from the environment and are read once.

    pytest               SQLite in a private temporary file, the in-memory channel layer
    pytest --postgres    a private PostgreSQL and a private Redis, started here and gone with the run

With `-n 3` (pytest-xdist) three processes share the tests. Each has its own file or servers. The caller's environment
and `.env` have no effect. Tests that need a missing program are skipped; the summary lists them under NOT TESTED, with
what to install.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Generator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from tests import quick
from tests.servers import NotInstalledError, Postgres, Redis

RUNS_ON = pytest.StashKey[str]()
NOT_TESTED = pytest.StashKey[list[str]]()

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "DEBUG": "true",
    "SECRET_KEY": "the-tests-secret-key-which-is-long-enough-to-please-everyone",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
    "CSRF_TRUSTED_ORIGINS": "",
    "BEHIND_PROXY": "false",
    "JWT_KEY": "the-tests-token-key-which-is-long-enough-to-please-everyone",
    "JWT_ALGORITHM": "HS256",
    "JWT_AUDIENCE": "",
    "JWT_ISSUER": "",
    "LOG_LEVEL": "INFO",
    "REDIS_URL": "",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("runwire").addoption(
        "--postgres", action="store_true", help="run on a private PostgreSQL and Redis instead of SQLite and memory"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Runs before the hook of pytest-django, which loads the settings."""
    early_config.stash[RUNS_ON] = "SQLite in a file, in-memory channel layer"
    early_config.stash[NOT_TESTED] = []
    life = ExitStack()
    early_config.add_cleanup(life.close)  # at the end, on errors and on Ctrl-C
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell ignores SIGINT in background jobs. The servers of the tests would inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(ENVIRONMENT)
    os.environ.pop("PYTHONASYNCIODEBUG", None)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, each of hundreds of processes would compile the program
    sys.dont_write_bytecode = False
    os.environ.setdefault("PYTEST_TIMEOUT", "60")  # seconds a test; read by pytest-timeout where it is installed
    directory = life.enter_context(tempfile.TemporaryDirectory(prefix="runwire-sqlite-", ignore_cleanup_errors=True))
    os.environ["DATABASE_URL"] = f"sqlite:///{quote(directory)}/runwire.sqlite3"
    known = early_config.known_args_namespace
    if known.postgres and not (known.help or known.version):
        _start_servers(early_config, life, only_look=_hands_out(known))


def _hands_out(known: argparse.Namespace) -> bool:
    """Whether this process is the controller of pytest-xdist. It runs no test. The workers get the same options."""
    return bool(getattr(known, "numprocesses", None)) and "PYTEST_XDIST_WORKER" not in os.environ


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # a hook of pytest-xdist; its own would win otherwise
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The number of workers for `-n auto`. Many tests wait for other processes, so there are more workers than cores.
    Quick tests do not wait."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if config.option.markexpr == "quick" else cores + (cores + 1) // 2


def _start_servers(config: pytest.Config, life: ExitStack, *, only_look: bool = False) -> None:
    """Starts PostgreSQL and Redis, and notes what is not installed. With `only_look` it starts nothing."""

    def start(server: "Postgres | Redis") -> str:
        life.callback(server.close)
        if not only_look:
            server.start()
        return server.url

    try:
        os.environ["DATABASE_URL"] = start(Postgres())
        config.stash[RUNS_ON] = "PostgreSQL, in-memory channel layer"
    except NotInstalledError as missing:
        config.stash[NOT_TESTED].append(f"everything on PostgreSQL. {missing}")
        return
    try:
        os.environ["REDIS_URL"] = start(Redis())
        config.stash[RUNS_ON] = "PostgreSQL, Redis"
    except NotInstalledError as missing:
        config.stash[NOT_TESTED].append(f"the Redis channel layer. {missing}")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgres: what only PostgreSQL can show; runs with --postgres")
    config.addinivalue_line("markers", "sqlite: what only SQLite can show; does not run with --postgres")
    config.addinivalue_line(
        "markers", "once: what no other database or layer could change; does not run with --postgres"
    )
    config.addinivalue_line(
        "markers", "quick: no transaction, process or socket; no test says it of itself, see tests/quick.py"
    )
    config.addinivalue_line("markers", "socket: holds a socket in its own process; no test says it of itself")
    config.addinivalue_line("markers", "timeout(seconds): of pytest-timeout, known here also where it is not installed")


def pytest_report_header(config: pytest.Config) -> str:
    return f"runs on: {config.stash[RUNS_ON]}"


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    on_postgres = config.stash[RUNS_ON].startswith("PostgreSQL")
    if on_postgres and (again := [item for item in items if item.get_closest_marker("once")]):
        config.hook.pytest_deselected(items=again)
        items[:] = [item for item in items if not item.get_closest_marker("once")]
    for item in items:
        if quick.is_quick(item):
            item.add_marker("quick")
        if quick.holds_a_socket(item):
            item.add_marker("socket")
        if config.getoption("postgres") and not on_postgres:
            item.add_marker(pytest.mark.skip(reason="PostgreSQL is not installed"))
        elif not on_postgres and item.get_closest_marker("postgres"):
            item.add_marker(pytest.mark.skip(reason="shown by PostgreSQL only: run pytest --postgres"))
        elif on_postgres and item.get_closest_marker("sqlite"):
            item.add_marker(pytest.mark.skip(reason="shown by SQLite only: run pytest without --postgres"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    with quick.held_to_it(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    with quick.held_to_it(item):
        return (yield)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    skipped: dict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[reason.removeprefix("Skipped: ")][report.nodeid.partition("::")[0]] += 1
    lines = [*config.stash[NOT_TESTED]]
    for reason, files in skipped.items():
        lines.append(f"{reason} ({', '.join(f'{count} in {file}' for file, count in files.items())})")
    if lines:
        terminalreporter.section("NOT TESTED", yellow=True, bold=True)
        for line in lines:
            terminalreporter.line(f"NOT TESTED: {line}", yellow=True)
