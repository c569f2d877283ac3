"""One socket's requests, and its one sender."""
