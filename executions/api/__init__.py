"""The HTTP API: routers for frontends and for workers. `config/api.py` puts them together with who may come in."""
