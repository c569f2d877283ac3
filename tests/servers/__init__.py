"""Private servers for tests: Redis, PostgreSQL, nginx and the project's own web server, each a context manager.

    with Redis() as redis, WebServer({"REDIS_URL": redis.url}) as web:
        redis.freeze()
        ...

Each listens on a free port of the loopback, keeps nothing beyond its life, says what it printed (`output`) when it does
not come up, and dies with the test run. Where a program is not installed, `NotInstalledError` tells what to install.
"""

from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.process import NotInstalledError, Server
from tests.servers.redis import Redis
from tests.servers.web import WebServer

__all__ = ["Nginx", "NotInstalledError", "Postgres", "Redis", "Server", "WebServer"]
