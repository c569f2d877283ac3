"""The durable, numbered log of every stream."""
