"""The only part of realtime that knows executions. It is used only where that app is installed."""
