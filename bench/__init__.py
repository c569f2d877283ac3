"""The benchmark: Runwire beside its peers, in one run. `make bench`, or `bench/.venv/bin/python -m bench --help`.

It compares the server's CPU for one delivered frame, the time until a change arrives, the cost of a socket, and the
cost of recording an event. Each measurement runs in rounds. In each round every program has its turns, so other load on
the machine affects all programs. The medians, and their ratios, are the result.
"""
