"""ORM writes that check what they write, and signal it."""
