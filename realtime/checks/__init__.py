"""System checks: wrong or doubtful settings. Each message has an id, and a hint with the cure.

    E001  a database that is neither PostgreSQL nor SQLite 3.35+
    E002  executions and their log in two databases
    E003  REALTIME: an unknown name, or a value of a wrong type or range
    E004  REALTIME["ALLOWED_ORIGINS"]: an entry that no browser sends
    E005  JWT_ALGORITHM, JWT_KEY or JWT_JWKS_URL that cannot verify a token
    E006  REALTIME["HOUSEKEEPING"], or an age or a kind in REALTIME["RETENTION"]
    E007  public keys, and no JWT_AUDIENCE
    E008  JWT_USER_FIELD that is no unique field
    W001  no channel layer, or the in-memory one, with DEBUG off (only with --deploy)
    W002  SQLite with DEBUG off (only with --deploy)
    W003  behind a proxy, and no Origin is allowed
    W004  the core Redis layer instead of the pub/sub one
    W005  a Redis host without timeouts
    W006  database connections that are kept
    W007  a short JWT_KEY with DEBUG off
    W008  a database pool that is not larger than the number of realtime's threads
    W009  an untested version of a package whose private parts realtime uses
    W010  the housekeeping is off
    W011  a kind of stream of another app without an age

The checks read only settings and package versions, and connect to nothing. They run with every `manage.py` command;
`manage.py check --tag realtime` runs only these. The import of this package registers them.
"""

from realtime.checks import (  # noqa: F401 - registers them
    channel_layer,
    database,
    limits,
    token_key,
    versions,
)
