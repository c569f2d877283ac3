"""Every server in an empty environment: no DEBUG, a key of its own, and no host but this machine."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.config.test_settings import Checkout
from tests.servers.process import free_port
from tests.stories.doors import need
from tests.waiting import until

pytestmark = pytest.mark.once

PROGRAMS = {
    "runwire": ["-m", "realtime.server", "-p", "{port}", "config.asgi:application"],
    "serve": ["manage.py", "serve", "--port", "{port}"],
    "daphne": ["-m", "daphne", "-p", "{port}", "config.asgi:application"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--lifespan", "off", "config.asgi:application"],
}


def get(url: str, host: str = "localhost") -> tuple[int, str]:
    try:
        with urlopen(Request(url, headers={"Host": host}), timeout=20) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except (URLError, ConnectionError):
        return 0, ""


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_empty_environment_is_safe(tmp_path: Path, program: str) -> None:
    need(program)
    checkout = Checkout(tmp_path)
    assert checkout.run("manage.py", "migrate", "--verbosity", "0").returncode == 0
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, *(word.format(port=port) for word in PROGRAMS[program])],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": checkout.path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: get(f"{url}/healthz")[0] == 200)
        status, page = get(f"{url}/nowhere")
        assert status == 404
        assert "DEBUG" not in page
        assert get(f"{url}/login/", "elsewhere.example")[0] == 400
        status, page = get(f"{url}/login/")
        assert status == 200
        assert "password ada" not in page
        assert get(f"{url}/static/realtime/client.js")[0] == 200
    finally:
        process.kill()
        process.wait()
    assert stat.S_IMODE((tmp_path / ".secret-key").stat().st_mode) == 0o600
