"""SECRET_KEY: the one of the environment, or one that is made at random and kept in a file beside the embedded
database.

The file is for one machine: whoever has the database of the embedded default has its key, too. Where the database or
Redis is elsewhere, other machines may need the same key, so there it must be set (unless DEBUG is on).
"""

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

FILE = ".secret-key"
SHORTEST, FEWEST_CHARACTERS = 32, 5
# Keys that are no secret: those that were in this repository, and those that `startproject` writes.
KNOWN = ("embedded-default-for-one-machine-and-debug-only", "django-insecure-")
CURE = (
    "Set it to a long random string, the same for every process, for example "
    "SECRET_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(50))')."
)


def choose(given: str, folder: Path, *, debug: bool, embedded: bool) -> str:
    """The key to use. `embedded` says that database and layer are of this machine alone. Raises ImproperlyConfigured,
    with the cure, if there is none, or if the given one protects nothing."""
    if not given:
        if debug or embedded:
            return kept_in(folder / FILE)
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set. With DEBUG off and DATABASE_URL or REDIS_URL set it must be. {CURE}"
        )
    if given.startswith(KNOWN):
        raise ImproperlyConfigured(f"SECRET_KEY is publicly known, so anyone can forge sessions and tokens. {CURE}")
    if not debug and (len(given) < SHORTEST or len(set(given)) < FEWEST_CHARACTERS):
        raise ImproperlyConfigured(
            f"SECRET_KEY can be guessed: it has fewer than {SHORTEST} characters, or fewer than {FEWEST_CHARACTERS} "
            f"different ones. {CURE}"
        )
    return given


def kept_in(file: Path) -> str:
    """The key in the file. The first process makes it; processes that start at the same time get the same key."""
    try:
        if not file.exists():
            _make(file)
        mode, key = file.stat().st_mode, file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ImproperlyConfigured(
            f"SECRET_KEY is not set, and a random one cannot be kept in {file}: {reason}. Let this user read and write "
            f"there, or set SECRET_KEY. {CURE}"
        ) from None
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ImproperlyConfigured(f"Others may read the secret key in {file}. Run: chmod 600 '{file}'")
    if len(key) < SHORTEST:
        raise ImproperlyConfigured(f"{file} holds no secret key. Remove it, and a new one is made; sessions end.")
    return key


def _make(file: Path) -> None:
    """Writes a random key. The file appears whole or not at all, and never replaces another one."""
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as new:
            new.write(secrets.token_urlsafe(50) + "\n")
            new.flush()
            os.fsync(new.fileno())
        with suppress(FileExistsError):  # another process was first
            os.link(draft, file)
    finally:
        draft.unlink(missing_ok=True)
