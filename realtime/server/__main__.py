"""Runs the server as a program: `python -m realtime.server`."""

# mypy: disable-error-code="no-untyped-call"

from realtime.server.cli import CLI

CLI.entrypoint()
