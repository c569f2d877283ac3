"""The measurements. Each returns figures by name for one target in one turn. `bounds.py` says which are compared."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.child import Child
from bench.machine import cpu_seconds, memory_bytes
from bench.targets import TARGETS, Running, Target

PAUSE = 0.5  # seconds between the last subscribe and the first event


@dataclass(frozen=True)
class Sizes:
    """How much is measured. The quick run measures the same rows with less."""

    sockets: int = 500
    many: int = 5_000
    returning: int = 1_000
    fanout_events: int = 30
    scale_events: int = 20
    one_seconds: int = 10
    recorded: int = 300
    replayed: int = 10_000
    idle_seconds: int = 60


QUICK = Sizes(
    sockets=200,
    many=500,
    returning=100,
    fanout_events=25,
    scale_events=25,
    one_seconds=2,
    recorded=40,
    replayed=2_000,
    idle_seconds=5,
)
Figures = dict[str, float]
FANOUT_FRAMES_A_SECOND = 5_000  # the most that the slowest peer can deliver
EVENTS_A_SECOND = 300  # in the row "one"


class Bench:
    """The databases, the publisher, the load generator and the streams, which all measurements share."""

    def __init__(self, sizes: Sizes, environment: Mapping[str, str], publisher: Child, load: Child) -> None:
        self.sizes, self.environment, self.publisher, self.load = sizes, environment, publisher, load
        self.streams = publisher.call("seed", count=max(sizes.many, sizes.returning, sizes.sockets) + 1)

    @contextmanager
    def running(self, target: Target) -> Iterator[Running]:
        with Running(target, self.environment) as server:
            try:
                yield server
            finally:
                self.load.call("close")

    def open(
        self, server: Running, streams: list[int], *, after: int | None = None, path: str = "", at_once: int = 50
    ) -> Any:
        """Opens one socket for each entry of `streams`, and subscribes it to that stream."""
        target = server.target
        sockets = [
            {"cookie": stream["cookie"], "script": target.script(stream, after)}
            for stream in map(self.streams.__getitem__, streams)
        ]
        answer = self.load.call(
            "open",
            port=server.port,
            path=path or target.path,
            sockets=sockets,
            waits=target.protocol == "socketio",
            at_once=at_once,
        )
        if answer["opened"] < len(sockets):
            raise RuntimeError(f"{target.name}: only {answer['opened']} of {len(sockets)} sockets were opened.")
        return answer

    # Delivery

    def fanout(self, target: Target) -> Figures:
        """Fan-out: all sockets watch one stream."""
        return self._fanout(target, self.sizes.sockets, self.sizes.fanout_events)

    def one_to_one(self, target: Target) -> Figures:
        """Each socket watches a stream of its own."""
        streams = list(range(self.sizes.sockets))
        return self._deliver(target, streams, EVENTS_A_SECOND * self.sizes.one_seconds, EVENTS_A_SECOND, 1)

    def scale(self, target: Target) -> Figures:
        """Fan-out to the usual number of sockets, and to ten times as many."""
        few = self._fanout(target, self.sizes.sockets, self.sizes.scale_events)
        many = self._fanout(target, self.sizes.many, self.sizes.scale_events)
        return {"few_us": few["cpu_us"], "many_us": many["cpu_us"], "loss": few["loss"] + many["loss"]}

    def _fanout(self, target: Target, sockets: int, events: int) -> Figures:
        # No more events a second for many sockets than one core can send.
        return self._deliver(target, [0] * sockets, events, FANOUT_FRAMES_A_SECOND / sockets, sockets)

    def _deliver(self, target: Target, streams: list[int], events: int, rate: float, subscribers: int) -> Figures:
        """`streams` has the stream of each socket. `subscribers` is the number of sockets on each stream."""
        with self.running(target) as server:
            self.open(server, streams)
            how = {"how": target.publisher, "streams": sorted(set(streams)), "layer": target.layer}
            self.load.call("reset")
            self.publisher.call("publish", **how, count=1, rate=1)  # the first event opens connections
            self.load.call("wait", frames=subscribers)  # its frames must not be counted below
            time.sleep(PAUSE)
            self.load.call("reset", timed=subscribers == 1)
            cpu, load_cpu, began = cpu_seconds(server.pid), self.load.cpu, time.monotonic()
            published = self.publisher.call("publish", **how, count=events, rate=rate)
            events = len(published["times"])
            got = self.load.call("wait", frames=events * subscribers)
            cpu, load_cpu, seconds = cpu_seconds(server.pid) - cpu, self.load.cpu - load_cpu, time.monotonic() - began
        frames = got["frames"]
        figures = {
            "cpu_us": cpu * 1e6 / max(frames, 1),
            "loss": events * subscribers - frames,
            "rate": published["rate"],
            "load_us": load_cpu * 1e6 / max(frames, 1),
            "load_busy": load_cpu / seconds,
            "server_busy": cpu / seconds,
        }
        if subscribers == 1 and got["times"]:
            delays = sorted((arrived - published["times"][number]) * 1000 for number, arrived in got["times"])
            figures["p50_ms"] = delays[len(delays) // 2]
            figures["p99_ms"] = delays[int(len(delays) * 0.99)]
        return figures

    # Sockets

    def sockets(self, target: Target) -> Figures:
        """Connects and subscribes a second, and the memory of a socket with one subscription."""
        count = self.sizes.returning
        with self.running(target) as server:
            self.open(server, list(range(count, 0, -max(count // 50, 1))))  # loads modules, fills pools and threads
            time.sleep(PAUSE)
            memory, cpu = memory_bytes(server.pid), cpu_seconds(server.pid)
            opened = self.open(server, list(range(count)))
            cpu = cpu_seconds(server.pid) - cpu
            time.sleep(PAUSE)
            grown = memory_bytes(server.pid) - memory
        return {
            "connects_s": count / opened["seconds"],
            "connect_us": cpu * 1e6 / count,
            "kib_a_socket": grown / 1024 / count,
        }

    def idle(self, target: Target) -> Figures:
        """CPU without events: only the sweep, pings and heartbeats."""
        with self.running(target) as server:
            self.open(server, list(range(self.sizes.many)))
            time.sleep(5 * PAUSE)
            cpu = cpu_seconds(server.pid)
            time.sleep(self.sizes.idle_seconds)
            cpu = cpu_seconds(server.pid) - cpu
        return {"percent": 100 * cpu / self.sizes.idle_seconds}

    # Coming back

    def storm_many(self, target: Target) -> Figures:
        """All sockets come back at once, each to a stream of its own with 50 missed events."""
        return self._storm(target, list(range(self.sizes.returning)))

    def storm_one(self, target: Target) -> Figures:
        """All sockets come back at once, to one stream with 50 missed events."""
        return self._storm(target, [0] * self.sizes.returning)

    def _storm(self, target: Target, streams: list[int], missed: int = 50) -> Figures:
        self.publisher.call("clear")
        self.publisher.call("fill", streams=sorted(set(streams)), events=missed)
        with self.running(target) as server:
            self.load.call("reset")
            cpu = cpu_seconds(server.pid)
            opened = self.open(server, streams, after=0, at_once=len(streams))
            got = self.load.call("wait", frames=missed * len(streams))
            cpu = cpu_seconds(server.pid) - cpu
        return {
            "seconds": got["last"] - opened["began"],
            "cpu_s": cpu,
            "loss": missed * len(streams) - got["frames"],
        }

    def replay(self, target: Target) -> Figures:
        """One client asks for the whole history of a long stream."""
        events, last = self.sizes.replayed, len(self.streams) - 1
        self.publisher.call("clear")
        self.publisher.call("fill", streams=[last], events=events)
        with self.running(target) as server:
            raw = target.name.startswith("raw")
            if raw:
                self.streams[last] |= {"id": self.streams[last]["key"], "exec_id": self.streams[last]["id"]}
            try:
                self.load.call("reset")
                cpu = cpu_seconds(server.pid)
                opened = self.open(server, [last], after=0, path="/replay" if raw else "/ws")
                got = self.load.call("wait", frames=events)
                cpu = cpu_seconds(server.pid) - cpu
            finally:
                if raw:
                    self.streams[last]["id"] = self.streams[last]["exec_id"]
        return {
            "seconds": got["last"] - opened["began"],
            "cpu_s": cpu,
            "loss": events - got["frames"],
        }

    # Recording

    def record(self, target: Target) -> Figures:
        """The caller's cost to record one node event, beside that of plain Django."""
        costs = self.publisher.call("record", times=self.sizes.recorded)
        return {f"{way}_{unit}": value for way, cost in costs.items() for unit, value in cost.items()}


@dataclass(frozen=True)
class Row:
    """A measurement and its targets. `turns` is the number of turns of each target in a round. The speed of a machine
    changes from minute to minute; several short turns cover more of these changes than a long one."""

    measure: Callable[[Bench, Target], Figures]
    targets: tuple[str, ...]
    turns: int = 1


_DELIVERY = tuple(TARGETS)
_OURS = ("runwire", "runwire-uvicorn")
_SOCKETS = (*_OURS, "channels-daphne", "channels-uvicorn", "fastapi", "raw-daphne")
ROWS: Mapping[str, Row] = {
    "fanout": Row(Bench.fanout, _DELIVERY, turns=3),
    "one": Row(Bench.one_to_one, _DELIVERY),
    "record": Row(Bench.record, ("runwire",), turns=2),
    "sockets": Row(Bench.sockets, _SOCKETS, turns=2),
    "scale": Row(Bench.scale, ("runwire", "raw-daphne", "fastapi", "bare-sockets"), turns=2),
    "storm-many": Row(Bench.storm_many, _OURS, turns=2),
    "storm-one": Row(Bench.storm_one, _OURS, turns=2),
    "replay": Row(Bench.replay, (*_OURS, "raw-daphne", "raw-uvicorn"), turns=2),
    "idle": Row(Bench.idle, ("runwire",)),
}

NEEDED = ("runwire", "runwire-uvicorn", "fastapi", "raw-daphne", "raw-uvicorn", "channels-daphne")
"""The targets that the bounds need. The quick run measures only these."""
