"""A process that changes executions, as a worker in production does: `python -m tests.faults.worker`.

It reads requests as lines of JSON, [action, arguments]. It answers each with one line: {"result": …} or {"error": …}.
Before its answer, an action may print each committed change: {"committed": [execution, number]}.
"""

import json
import sys
from typing import Any


def report(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    import django

    django.setup()
    from django.db import close_old_connections

    from tests.faults import actions

    for line in sys.stdin:
        name, arguments = json.loads(line)
        close_old_connections()  # PostgreSQL may have been restarted
        try:
            result = getattr(actions, name)(**arguments)
        except Exception as error:
            report(error=repr(error))
        else:
            report(result=result)


if __name__ == "__main__":
    main()
