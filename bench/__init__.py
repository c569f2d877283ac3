"""The benchmark: Runwire beside its peers, in one run. `make bench`, or `bench/.venv/bin/python -m bench --help`.

What is compared is the server's CPU for one delivered frame, how long a change takes to arrive, what a socket costs,
and what it costs to record an event. Each measurement runs in rounds, and in each round every program has its turns,
so that a machine that is busy for a while is so for all of them; the medians, and their ratios, are the result.
"""
