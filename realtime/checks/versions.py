"""A check of the versions of packages: W009. The server logs the same when it starts."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

from realtime.tested_versions import TESTED, find_untested


@register("realtime")
def check_versions(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W009: versions of packages whose private parts realtime uses."""
    for package, text in find_untested():
        yield CheckWarning(
            text,
            hint=f"Install {package}=={TESTED[package][-1]}, as requirements.txt has it; or run the tests with the "
            "installed version and add it to TESTED in realtime/tested_versions.py.",
            id="realtime.W009",
        )
