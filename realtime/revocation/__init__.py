"""Ends the access of open sockets: sees changes, looks again, and closes what may not go on."""
