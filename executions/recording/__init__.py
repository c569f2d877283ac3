"""ORM writes that check what they write and send signals."""
