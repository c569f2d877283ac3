"""System checks of the settings.

executions.E001  EXECUTIONS["ACCESS"] names no class of a policy
executions.E002  EXECUTIONS["ACCESS"] needs groups, and users have none
"""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, register

from executions.access_policies import OwnersAndStaff, policy
from executions.conf import limits


@register("executions")
def check_access(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """E001, and what the policy itself finds."""
    try:
        found = policy()
    except Exception as error:
        yield _error(f"cannot be used: {error!r}.")
        return
    if isinstance(found, OwnersAndStaff):
        yield from found.check()
    else:
        yield _error("is no subclass of OwnersAndStaff, so it lacks methods.")


def _error(text: str) -> Error:
    return Error(
        f'EXECUTIONS["ACCESS"], {limits.ACCESS!r}, {text}',
        hint="Name a subclass of executions.access_policies.OwnersAndStaff by its dotted path, or remove the setting.",
        id="executions.E001",
    )
