"""The project's settings for the servers and workers of the fault tests: two pages more, and a layer that can lose."""

from tests.stories.settings import *  # noqa: F403
from tests.stories.settings import LOGGING

ROOT_URLCONF = "tests.faults.inside"

LOGGING["loggers"]["psycopg"] = {"level": "ERROR"}  # that it cannot connect is what is being tried
