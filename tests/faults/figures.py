"""The figures of a soak: as a line, as Markdown, as JSON."""

import json
import platform
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.faults.history import CHANGED, DOUBLED, FOREIGN, LOST, OUT_OF_ORDER, UNASKED
from tests.servers import WebServer


class Figures:
    """Times are seconds, memory is bytes."""

    def __init__(self, seed: int, minutes: float) -> None:
        self.seed, self.minutes = seed, minutes
        self.began = time.monotonic()
        self.behind_nginx = False
        self.events = self.deliveries = self.snapshots = self.reconnects = 0
        self.faults: Counter[str] = Counter()
        self.interrupted: Counter[str] = Counter()  # by another fault
        self.violations: Counter[str] = Counter()
        self.words: list[str] = []
        self.lag_now = self.lag_in_quiet = self.lag_under_fault = 0.0
        self.memory: dict[str, int] = {}  # the peak of each process

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def measure_memory(self, servers: Sequence[WebServer]) -> None:
        for number, server in enumerate(servers, 1):
            if server.is_running and (peak := _peak_of(server.pid)):
                self.memory[f"server {number}, process {server.pid}"] = peak

    def line(self, left: float, doing: Sequence[str]) -> str:
        clock = f"{_clock(self.elapsed)} / {_clock(self.elapsed + max(left, 0))}"
        memory = max(self.memory.values(), default=0) / 2**20
        return (
            f"{clock}  {self.events:>7,} events  {self.deliveries:>10,} deliveries  lag {self.lag_now:5.2f} s  "
            f"RSS {memory:4.0f} MiB  {', '.join(doing)}"
        )

    def as_dict(self) -> dict[str, Any]:
        kinds = (LOST, DOUBLED, OUT_OF_ORDER, CHANGED, FOREIGN, UNASKED)
        return {
            "seed": self.seed,
            "minutes": round(self.elapsed / 60, 1),
            "events": self.events,
            "deliveries": self.deliveries,
            **{kind: self.violations[kind] for kind in kinds},
            "other violations": sum(self.violations.values()) - sum(self.violations[kind] for kind in kinds),
            "snapshots in place of a replay": self.snapshots,
            "reconnects": self.reconnects,
            "worst lag in quiet, s": round(self.lag_in_quiet, 2),
            "worst lag under fault, s": round(self.lag_under_fault, 2),
            "behind nginx": self.behind_nginx,
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        }

    def markdown(self) -> str:
        rows = [f"| {name} | {_shown(value)} |" for name, value in self.as_dict().items()]
        faults = [f"| {name} | {times} |" for name, times in sorted(self.faults.items())]
        memory = [f"| {process} | {peak / 2**20:.0f} |" for process, peak in self.memory.items()]
        words = ["", "What was wrong:", "", *(f"- {each}" for each in self.words)] if self.words else []
        return "\n".join(
            [
                f"`make soak MINUTES={self.minutes:g}`, seed {self.seed}",
                "",
                *("| figure | |", "|---|---|", *rows, ""),
                *("| fault | times |", "|---|---|", *faults, ""),
                *("| peak RSS of | MiB |", "|---|---|", *memory),
                *words,
                "",
            ]
        )

    def write(self, report: Path) -> None:
        report.write_text(self.markdown())
        every = {**self.as_dict(), "faults": self.faults, "interrupted": self.interrupted, "peak RSS": self.memory}
        report.with_suffix(".json").write_text(json.dumps({**every, "violations": self.words}, indent=2) + "\n")


def _peak_of(pid: int | None) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
