"""Streams over HTTP, health pages for load balancers, and a status page for staff."""
