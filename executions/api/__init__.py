"""The HTTP API: routers for frontends and for workers. `config/api.py` mounts them with their authentication."""
