"""The blocks that nodes of the embedded runner execute. One file for each family; `registry.py` registers all
blocks."""
