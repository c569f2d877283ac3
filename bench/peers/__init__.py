"""The programs that Runwire is compared with. Each is written as its users would write it. Each choice is in
the peer's favour: the publisher serialises events. Only the Channels peer checks credentials or reads a database."""
