"""System checks of the settings.

executions.E001  EXECUTIONS["ACCESS"] names no class of a policy
executions.E002  EXECUTIONS["ACCESS"] needs groups, and users have none
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register

from executions.access_policies import OwnersAndStaff, policy
from executions.conf import limits

METHODS = [name for name, value in vars(OwnersAndStaff).items() if callable(value) and not name.startswith("_")]


@register("executions")
def check_access(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """E001, and what the policy itself finds."""
    try:
        found = policy()
    except Exception as error:
        yield _error(f"cannot be used: {error!r}.")
        return
    missing = [name for name in METHODS if not callable(getattr(found, name, None))]
    if missing:
        yield _error(f"has no {', '.join(f'{name}()' for name in missing)}.")
    else:
        yield from found.check()


def _error(text: str) -> Error:
    return Error(
        f'EXECUTIONS["ACCESS"], {limits.ACCESS!r}, {text}',
        hint="Name a subclass of executions.access_policies.OwnersAndStaff by its dotted path, or remove the setting.",
        id="executions.E001",
    )
