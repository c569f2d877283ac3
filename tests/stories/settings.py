"""The project's settings for the servers of these tests. Environment variables add more settings."""

import json
import os

from config.settings import *  # noqa: F403
from config.settings import CHANNEL_LAYERS, REALTIME

REALTIME = {**REALTIME, **json.loads(os.environ.get("TEST_REALTIME", "{}"))}
CHANNEL_LAYERS = json.loads(os.environ.get("TEST_CHANNEL_LAYERS", "null")) or CHANNEL_LAYERS
