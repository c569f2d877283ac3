"""Fuzzing: hostile input for every parser, each with an oracle.

A target is a Hypothesis test in one of these files. pytest runs some hundred examples of each. `make fuzz` runs all of
them for minutes, guided by coverage where atheris is installed (engine.py).

An oracle says what must hold for any input: only the documented errors, a bounded answer, a bounded number of calls,
the same result the second time, and the same result as an independent parser where there is one (oracles.py).
"""
