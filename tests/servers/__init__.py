"""Private servers for tests: Redis, PostgreSQL, nginx and the project's web server. Each is a context manager.

    with Redis() as redis, WebServer({"REDIS_URL": redis.url}) as web:
        redis.freeze()
        ...

Each server listens on a free loopback port, leaves nothing on the disk, and dies with the test run. If it does not
start, the error contains its output. If the program is not installed, `NotInstalledError` says what to install.
"""

from tests.servers.nginx import Nginx
from tests.servers.postgres import Postgres
from tests.servers.process import NotInstalledError, Server
from tests.servers.redis import Redis
from tests.servers.web import WebServer

__all__ = ["Nginx", "NotInstalledError", "Postgres", "Redis", "Server", "WebServer"]
