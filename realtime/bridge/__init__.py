"""The only part of realtime that imports executions. It is used only if that app is installed."""
