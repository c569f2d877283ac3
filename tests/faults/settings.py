"""The settings of servers and workers in the fault tests. They add the page `/inside`."""

from tests.stories.settings import *  # noqa: F403
from tests.stories.settings import LOGGING

ROOT_URLCONF = "tests.faults.inside"

LOGGING["loggers"]["psycopg"] = {"level": "ERROR"}  # failed connections are expected
