"""The embedded runner: it carries out executions beside the server."""
