"""Static files with DEBUG off, before and after `collectstatic`."""

from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from pytest_django import Settings

from config.static_files import StaticFiles

pytestmark = pytest.mark.once


@pytest.fixture
def storage(tmp_path: Path, settings: Settings) -> StaticFiles:
    settings.DEBUG = False
    settings.STATIC_URL = "/static/"
    return StaticFiles(location=tmp_path)


def test_before_collectstatic_a_file_has_its_plain_name(storage: StaticFiles) -> None:
    assert storage.url("realtime/client.js") == "/static/realtime/client.js"


def test_after_collectstatic_its_name_has_a_hash(storage: StaticFiles) -> None:
    storage.save("a.js", ContentFile(b"let a = 1;"))
    storage.hashed_files = {"a.js": "a.0123456789ab.js"}
    assert storage.url("a.js") == "/static/a.0123456789ab.js"


def test_after_collectstatic_a_file_that_was_not_collected_is_an_error(storage: StaticFiles) -> None:
    storage.hashed_files = {"a.js": "a.0123456789ab.js"}
    with pytest.raises(ValueError, match="Missing staticfiles manifest entry"):
        storage.url("b.js")
