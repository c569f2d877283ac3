"""A project that installs realtime and not executions. `tests/realtime/bridge/test_bridge_optional.py` runs it."""
