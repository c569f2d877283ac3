"""A check of the versions of packages: W009."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

TESTED: Final[dict[str, tuple[str, ...]]] = {
    "daphne": ("4.2.3",),
    "twisted": ("26.10.0",),
    "autobahn": ("26.10.2",),
    "channels-redis": ("4.3.0",),
    "redis": ("8.1.0",),
}
"""The tested versions of packages whose private parts the server and the announcer use. Any release may change these
parts. requirements.txt pins the newest tested version, and docs/operations.md lists all of them."""


@register("realtime")
def check_versions(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W009: versions of packages whose private parts realtime uses."""
    for package, tested in TESTED.items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        if installed not in tested:
            yield CheckWarning(
                f"{package} {installed} is installed, and realtime uses private parts of it that were tested with "
                f"{' and '.join(tested)} only.",
                hint=f"Install {package}=={tested[-1]}, as requirements.txt has it; or run the tests with {installed} "
                "and add it to TESTED in realtime/checks/versions.py.",
                id="realtime.W009",
            )
