"""Checks the log against what the readers got and the workers committed. Reads PostgreSQL without the code under
test."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from tests.faults.history import CHANGED, DOUBLED, LOST, OUT_OF_ORDER, Seen, Violations
from tests.faults.workers import Committed

Query = Callable[..., list[tuple[Any, ...]]]

_STREAMS = """
    SELECT key, epoch, head, floor,
        (SELECT count(*) FROM realtime_streamevent e WHERE e.stream_id = s.id AND e.seq > s.floor)
    FROM realtime_stream s WHERE key = ANY(%s)
"""
_EVENTS = """
    SELECT e.seq, coalesce(e.data, d.data)
    FROM realtime_stream s
    JOIN realtime_streamevent e ON e.stream_id = s.id
    LEFT JOIN realtime_streamevent d ON d.id = e.data_of_id
    WHERE s.key = %s ORDER BY e.seq
"""


def check(query: Query, keys: Sequence[str], seen: Seen, committed: Committed, violations: Violations) -> None:
    """Adds the faults in the log of these streams to the violations: gaps, events that readers got with other data, and
    committed changes that are missing."""
    for key, epoch, head, floor, above in query(_STREAMS, list(keys)):
        if above != head - floor:
            violations.add(LOST, f"{key} has {above} events from {floor} to {head}", abs(head - floor - above))
        events = query(_EVENTS, key)
        for seq, data in events:
            if seen.get((key, epoch, seq), hash(data)) != hash(data):
                violations.add(CHANGED, f"{seq} of {key} is not what readers got")
        _check_writers(key, floor, events, committed, violations)


def _check_writers(
    key: str, floor: int, events: Sequence[tuple[int, str]], committed: Committed, violations: Violations
) -> None:
    execution = key.rpartition("#")[2]
    if execution in committed.ignored:
        return
    found: dict[str, list[int]] = defaultdict(list)
    for _, text in events:
        if '"writer":' in text:
            data = json.loads(text).get("input_data") or {}
            if "writer" in data:
                found[data["writer"]].append(data["number"])
    for writer in {writer for where, writer in [*committed.certain, *committed.uncertain] if where == execution}:
        certain, uncertain = set(committed.certain[execution, writer]), committed.uncertain[execution, writer]
        since = min(certain | uncertain, default=0)
        numbers = [number for number in found.get(writer, []) if number >= since]
        if numbers != sorted(numbers):
            violations.add(OUT_OF_ORDER, f"the changes of {writer} in {key}")
        if len(numbers) != len(set(numbers)):
            violations.add(DOUBLED, f"a change of {writer} in {key}")
        if missing := certain - set(numbers):
            violations.add(LOST, f"{writer} has committed {sorted(missing)[:5]} in {key}: not there", len(missing))
        if unknown := set(numbers) - certain - uncertain:
            violations.add(DOUBLED, f"{writer} has never committed {sorted(unknown)[:5]} in {key}", len(unknown))
