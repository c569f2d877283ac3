"""Simulated executions, for demonstrations and load."""
