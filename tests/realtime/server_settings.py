"""The least that Django needs to know for a server without a database; limits come from the environment."""

import json
import os

SECRET_KEY = "only for tests"
REALTIME = json.loads(os.environ.get("TEST_LIMITS", "{}"))
