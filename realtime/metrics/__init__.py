"""What a process counts and measures, for Prometheus (`/metrics`) and for staff (`/realtime/status`).

count("gaps_filled")                            one more; `count(name, by)` adds a number
observe("delivery_lag", seconds, "announced")   one observation of a histogram
sent.add(frame, sockets)                        frames that went out
add_gauges(read)                                `read` returns gauges of this process, by name
share()                                         shows them to the processes of the same PROMETHEUS_MULTIPROC_DIR

All names are in definitions.py. An unknown name raises KeyError.
"""

from realtime.metrics.values import add_gauges, count, counts, observe, sent, share

__all__ = ["add_gauges", "count", "counts", "observe", "sent", "share"]
