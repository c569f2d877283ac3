"""How one report or a thousand are recorded."""
