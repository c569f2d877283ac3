"""What one process hands to its sockets, and how it repairs what it missed."""
