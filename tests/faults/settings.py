"""The project's settings for the servers and workers of the fault tests: two pages more, and a layer that can lose."""

from tests.stories.settings import *  # noqa: F403

ROOT_URLCONF = "tests.faults.inside"
