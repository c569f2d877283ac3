"""A process that changes executions, as a worker in production does: `python -m tests.faults.worker`.

It is asked by lines of JSON, [name, arguments], and answers each with one: {"result": …} or {"error": …}. Before that
it may print what it has committed, change by change: {"committed": [stream, number]}.
"""

import json
import sys
from typing import Any


def say(**what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    import django

    django.setup()
    from django.db import close_old_connections

    from tests.faults import deeds

    for line in sys.stdin:
        name, arguments = json.loads(line)
        close_old_connections()  # PostgreSQL may have been restarted
        try:
            result = getattr(deeds, name)(**arguments)
        except Exception as error:
            say(error=repr(error))
        else:
            say(result=result)


if __name__ == "__main__":
    main()
