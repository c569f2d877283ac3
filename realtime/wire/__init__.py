"""What travels over the socket: requests, frames, methods and close codes."""
