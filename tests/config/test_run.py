"""`python -m config.run`, which `make run` calls, on addresses of this machine and on others."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from config.run import as_host, defaults, own_names
from tests.config.test_settings import Checkout
from tests.servers.process import free_port

pytestmark = pytest.mark.once


@contextmanager
def running(checkout: Checkout, *options: str, **environment: str) -> Iterator[tuple[str, int]]:
    """What it prints until it serves, and its port."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "config.run", "--port", str(port), *options],
        cwd=checkout.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": checkout.path, "PYTHONUNBUFFERED": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    said = ""
    try:
        for line in process.stdout:
            said += line
            if "Runwire is at" in line:
                break
        yield said, port
    finally:
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.stdout.close()
        process.wait()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1"])
def test_on_this_machine_it_is_for_development(host: str) -> None:
    assert defaults(host) == {"DEBUG": "true"}


def test_on_another_address_it_is_not() -> None:
    for host, name in (("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "[2001:db8::7]")):
        chosen = defaults(host)
        assert chosen["DEBUG"] == "false"
        assert chosen["ALLOWED_HOSTS"] == f"localhost,127.0.0.1,[::1],{name}"
    for everywhere in ("0.0.0.0", "::", ""):
        chosen = defaults(everywhere)
        assert chosen["DEBUG"] == "false"
        assert own_names()[0] in chosen["ALLOWED_HOSTS"].split(",")
        assert "*" not in chosen["ALLOWED_HOSTS"]


def test_an_address_is_written_as_a_host() -> None:
    assert [as_host(each) for each in ("::1", "192.0.2.7", "Box")] == ["[::1]", "192.0.2.7", "box"]


def test_a_fresh_checkout_is_served_with_the_demo_accounts(checkout: Checkout) -> None:
    with running(checkout) as (said, port):
        assert "Log in as ada / ada or admin / admin." in said
        with urlopen(f"http://127.0.0.1:{port}/login/") as page:
            assert "password" in page.read().decode()
    assert (checkout.folder / ".secret-key").exists()


def test_other_machines_get_neither_debug_nor_a_known_password(checkout: Checkout) -> None:
    """The accounts of an earlier run on the loopback get new passwords, too."""
    for command in (["migrate", "--verbosity", "0"], ["demo"]):
        assert checkout.run("manage.py", *command, DEBUG="true").returncode == 0
    with running(checkout, "--host", "0.0.0.0") as (said, port):
        assert "0.0.0.0 can be reached from other machines. So DEBUG is off" in said
        assert "There is no HTTPS" in said
        assert "ada / ada" not in said
        assert "Log in as ada / " in said
        with urlopen(f"http://127.0.0.1:{port}/login/") as page:
            assert "password ada" not in page.read().decode()
    assert "config.W002" not in checkout.run("manage.py", "check", "--deploy").stderr


def test_debug_on_another_address_is_refused_and_makes_no_known_password(checkout: Checkout) -> None:
    with running(checkout, "--host", "0.0.0.0", DEBUG="true") as (said, _):
        assert "CommandError: DEBUG is on, so the server does not listen on 0.0.0.0" in said
        assert "ada / " not in said


def test_a_site_with_debug_off_gets_no_demo_accounts(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("DEBUG=false\n")
    with running(checkout) as (said, _):
        assert "Runwire is at" in said
        assert "Log in as" not in said


def test_what_cannot_be_is_told_in_one_line(checkout: Checkout) -> None:
    with running(checkout, SECRET_KEY="django-insecure-key") as (said, _):
        assert said.startswith("SECRET_KEY is publicly known")
        assert said.count("\n") == 1
