"""The result: a table for people, JSON for programs, and a plot."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.bounds import BOUNDS, Medians
from bench.plot import bars
from bench.rows import Figures
from bench.targets import Target

_PAYLOAD = "about 700 bytes"
_UNITS = {
    "cpu_us": "CPU, µs a frame",
    "load_us": "load generator, µs a frame",
    "load_busy": "load generator, share of its core",
    "server_busy": "server, share of its core",
    "loss": "frames lost",
    "rate": "events/s",
    "p50_ms": "p50, ms",
    "p99_ms": "p99, ms",
    "connects_s": "connects/s",
    "connect_us": "CPU, µs a connect",
    "kib_a_socket": "KiB a socket",
    "seconds": "s",
    "cpu_s": "CPU, s",
    "percent": "% of a core",
    "few_us": "CPU, µs a frame",
    "many_us": "with ten times the sockets",
}


def machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


def as_row(row: str, target: Target, turns: Sequence[Figures]) -> dict[str, Any]:
    """One row of the JSON result: the figures, and the conditions under which they were measured."""
    return {
        "row": row,
        "target": target.name,
        "server": target.server,
        "layer": target.layer,
        "database": target.database,
        "payload": _PAYLOAD,
        "seq": target.has_seq,
        "turns": turns,
    }


def tables(rows: Sequence[Mapping[str, Any]], medians: Medians) -> str:
    """Markdown tables with aligned columns: the targets, then the medians of each row."""
    parts = [table(["", "required", "goal", "measured", ""], [_bound_cells(bound, medians) for bound in BOUNDS])]
    for name in dict.fromkeys(row["row"] for row in rows):
        of_row = [row for row in rows if row["row"] == name]
        figures = list(dict.fromkeys(key for row in of_row for key in medians[name, row["target"]]))
        head = ["target", "server", "layer", "database", "seq", *(_UNITS.get(figure, figure) for figure in figures)]
        lines = []
        for row in of_row:
            own = medians[name, row["target"]]
            about = [row["target"], row["server"], row["layer"], row["database"], "yes" if row["seq"] else "no"]
            lines.append([*about, *(f"{own[key]:.4g}" if key in own else "" for key in figures)])
        parts.append(f"### {name} ({_PAYLOAD} a frame)\n\n{table(head, lines)}")
    return "\n\n".join(parts)


def _bound_cells(bound: Any, medians: Medians) -> list[str]:
    value, sign = bound.value(medians), "≥" if bound.is_lower else "≤"
    measured = "" if value is None else f"{value:.2f} {bound.unit}"
    return [bound.text, f"{sign} {bound.required:g}", f"{sign} {bound.goal:g}", measured, bound.outcome(medians)]


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in (head, *lines)) for column in range(len(head))]
    texts = [
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) + " |"
        for line in (head, *lines)
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def write(folder: Path, result: Mapping[str, Any], medians: Medians) -> None:
    """Writes benchmark.md, .json and .svg into `folder`."""
    about = result["machine"]
    text = (
        f"# The benchmark\n\nWritten by `make bench` on {result['taken']}: {about['cores']} cores, {about['system']}, "
        f"Python {about['python']}.\n\n"
        f"The figures are medians of {result['rounds']} rounds. In each round all programs of a row had their turns, "
        "one after the other: three turns for fan-out, two or one for the others. The server had one core, everything "
        "else the other. Each publisher saves the row first, as users do; publishers of peers use Django's plain save. "
        "The ratios are the result. The absolute figures are those of this machine. `bench/peers/` has the programs "
        "that Runwire is compared with.\n\n![CPU a frame](benchmark.svg)\n\n"
    )
    (folder / "benchmark.md").write_text(text + tables(result["rows"], medians) + "\n")
    (folder / "benchmark.json").write_text(json.dumps(result, indent=1) + "\n")
    groups = {
        "Fan-out: server CPU, µs a frame": _values(medians, "fanout"),
        "One-to-one: server CPU, µs a frame": _values(medians, "one"),
    }
    (folder / "benchmark.svg").write_text(bars(groups))


def _values(medians: Medians, row: str) -> dict[str, float]:
    return {target: figures["cpu_us"] for (name, target), figures in medians.items() if name == row}
