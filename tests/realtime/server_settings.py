"""Minimal settings for a server without a database. The limits come from the environment."""

import json
import os

SECRET_KEY = "only for tests"
REALTIME = json.loads(os.environ.get("TEST_LIMITS", "{}"))
