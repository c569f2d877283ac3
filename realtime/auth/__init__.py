"""How a connection proves who it is, and what it may watch."""
