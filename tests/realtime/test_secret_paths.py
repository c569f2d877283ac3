"""Credentials in paths, and logs."""

import pytest
from pytest_django import Settings

from realtime.secret_paths import hide_secrets

TOKEN = "a-token_of-twenty-two-"


@pytest.mark.parametrize("after", ["", "/", "/results/", "?a=b", " 404", '"'])
def test_what_follows_the_path_is_hidden(after: str) -> None:
    text = hide_secrets(f"Not Found: /shared/{TOKEN}{after}")
    assert TOKEN not in text
    assert text.startswith("Not Found: /shared/…")
    if after != '"':
        assert text.endswith(after)


def test_other_paths_and_files_stay() -> None:
    for text in (f"/executions/{TOKEN}/", 'File "/srv/shared/models.py", line 7', "/shared/", "\n"):
        assert hide_secrets(text) == text


def test_the_paths_are_a_setting(settings: Settings) -> None:
    settings.REALTIME = {"SECRET_PATHS": ["/s/", "/t.u/"]}
    assert hide_secrets(f"/s/{TOKEN} /t.u/{TOKEN} /txu/{TOKEN}") == f"/s/… /t.u/… /txu/{TOKEN}"
    settings.REALTIME = {"SECRET_PATHS": []}
    assert hide_secrets(f"/s/{TOKEN}") == f"/s/{TOKEN}"
