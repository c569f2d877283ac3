"""One client's position in one stream: send, skip, or read again."""
