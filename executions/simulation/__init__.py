"""Made-up executions, to watch and to load a server with."""
