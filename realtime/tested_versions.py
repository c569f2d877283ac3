"""The tested versions of packages whose private parts realtime uses. Any release of them may change these parts.

Pure: no Django, no Twisted.
"""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

TESTED: Final[dict[str, tuple[str, ...]]] = {
    "daphne": ("4.2.3",),
    "twisted": ("26.10.0",),
    "autobahn": ("26.10.2",),
    "channels-redis": ("4.3.0",),
    "redis": ("8.1.0",),
}
"""By package. requirements.txt pins the newest tested version, and docs/operations.md lists all of them."""


def find_untested() -> Iterator[tuple[str, str]]:
    """Each installed package with an untested version: its name, and what is wrong, as a sentence."""
    for package, tested in TESTED.items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        if installed not in tested:
            yield (
                package,
                f"{package} {installed} is installed, and realtime uses private parts of it that were tested with "
                f"{' and '.join(tested)} only.",
            )
