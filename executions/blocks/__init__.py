"""The blocks of the embedded runner: what a node of a graph can do. One file a family; `registry.py` knows them all."""
