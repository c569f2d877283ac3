"""The embedded runner: it runs queued executions in the server's process."""
