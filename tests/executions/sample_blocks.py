"""Blocks for tests. Real block processes load them."""

import os
import resource
from pathlib import Path
from typing import Any

from executions.blocks.registry import BlockError, BlockInput, Outputs, block


class Anything(BlockInput):
    value: Any = None


class Many(BlockInput):
    values: list[Any]
    note: str = "none"


class One(BlockInput):
    value: str
    note: str | None = None


class Gate(BlockInput):
    gate: str
    value: Any = None


class Meeting(BlockInput):
    mine: str
    other: str
    value: Any = None


@block("test.echo", title="Echo", description="Returns its input.")
def echo(data: Anything) -> Outputs:
    return {"value": [data.value]}


@block("test.each", title="Each", description="Returns each of its values.")
def each(data: Many) -> Outputs:
    return {"value": data.values, "note": [data.note]}


@block("test.one", title="One", description="Takes exactly one value.")
def one(data: One) -> Outputs:
    return {"value": [data.value], "note": [data.note]}


@block("test.wait", title="Wait", description="Waits until the test opens the gate.")
def wait(data: Gate) -> Outputs:
    Path(data.gate).read_bytes()
    return {"value": [data.value]}


@block("test.meet", title="Meet", description="Ends only if another block is at its own gate at the same time.")
def meet(data: Meeting) -> Outputs:
    # Opening a pipe waits for the other side. Both blocks take the pipes in the same order, so they do not deadlock.
    for pipe in sorted([data.mine, data.other]):
        if pipe == data.mine:
            Path(pipe).write_bytes(b"I am here")
        else:
            Path(pipe).read_bytes()
    return {"value": [os.getpid()]}


@block("test.refuse", title="Refuse", description="Raises a BlockError.")
def refuse(data: Anything) -> Outputs:
    raise BlockError("There is nothing to do here.")


@block("test.raise", title="Raise", description="Raises what is in `value`.")
def raise_(data: Anything) -> Outputs:
    kinds = {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}
    raise kinds.get(data.value, ZeroDivisionError)("oh <b>")


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no message either")


@block("test.raise_unreadable", title="Raise", description="Raises an exception whose text cannot be read.")
def raise_unreadable(data: Anything) -> Outputs:
    raise UnreadableError


@block("test.die", title="Die", description="Ends its process.")
def die(data: Anything) -> Outputs:
    os._exit(3)


@block("test.spin", title="Spin", description="Never returns.")
def spin(data: Anything) -> Outputs:
    while True:
        pass


@block("test.return", title="Return", description="Returns a value that a block must not return.")
def return_(data: Anything) -> Outputs:
    returned: dict[str, Any] = {
        "no dictionary": None,
        "no list": {"value": 1},
        "not a number": {"value": [1.0, float("nan")]},
        "NUL": {"value": ["\0"]},
        "a function": {"value": [lambda: None]},
        "too much": {"value": ["x" * 5 * 2**20]},
        "more than an event": {"value": ["x" * 2 * 2**20]},
    }
    result: Outputs = returned[data.value]
    return result


@block("test.pid", title="Process", description="Returns the id of its process.")
def pid(data: Anything) -> Outputs:
    return {"pid": [os.getpid()]}


@block("test.memory", title="Memory", description="Takes this number of bytes.")
def memory(data: Anything) -> Outputs:
    return {"size": [len(bytearray(data.value))]}


@block("test.objects", title="Objects", description="Makes this number of lists.")
def objects(data: Anything) -> Outputs:
    return {"count": [len([[] for _ in range(data.value)])]}


@block("test.limits", title="Limits", description="Returns the limits of its process.")
def limits(data: Anything) -> Outputs:
    kinds = {"core": resource.RLIMIT_CORE, "fsize": resource.RLIMIT_FSIZE, "nofile": resource.RLIMIT_NOFILE}
    return {"limits": [{name: resource.getrlimit(kind)[0] for name, kind in kinds.items()}]}
