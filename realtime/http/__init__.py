"""Streams over HTTP, health pages for load balancers, metrics for Prometheus, and a status page for staff."""
