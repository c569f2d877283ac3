"""Who a connection belongs to, and which streams its user may watch."""
