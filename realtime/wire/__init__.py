"""The messages of the socket: requests, frames, methods and close codes (docs/protocol.md)."""
