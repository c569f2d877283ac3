"""Streams over HTTP, and what load balancers and staff ask."""
