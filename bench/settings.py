"""The project's settings with DEBUG off, as in production, and the channel layer of the peer."""

import os

os.environ |= {"DEBUG": "false", "SECRET_KEY": "for-the-benchmark-only-and-nothing-else", "SECURE_COOKIES": "false"}

from config.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1"]
# All sockets come from one address, and in some rows from one user.
REALTIME |= {"MAX_ADDRESS_CONNECTIONS": 10_000, "MAX_USER_CONNECTIONS": 10_000}  # noqa: F405
if os.environ.get("BENCH_LAYER") == "core":
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            # redis-py's default timeout ends a waiting socket after five seconds.
            "CONFIG": {"hosts": [{"address": os.environ["REDIS_URL"], "socket_timeout": None}]},
        }
    }
