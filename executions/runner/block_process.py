"""A child process that runs blocks, one after the other. This file holds both ends of its pipe.

parent → child   (block id, input)
child → parent   Outcome: one when the child is ready, then one for each block
"""

import multiprocessing
import os
import pickle
import resource
import signal
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from executions.blocks.registry import BlockError, Outputs, find_block, load

MAX_OUTCOME_BYTES = 4 * 1024 * 1024
"""The limit for one block's pickled outputs: several times the size of the largest event, small for the server's
memory."""
MAX_ERROR_LENGTH = 2_000  # characters
MAX_FILE_BYTES = 64 * 1024 * 1024  # that a block may write; a full disk stops the database, too
MAX_OPEN_FILES = 256

_spawn = multiprocessing.get_context("spawn")
_CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)


@dataclass(frozen=True)
class Outcome:
    """The result of one block: `outputs`, or an `error` for people and `details` (a traceback) for the log."""

    outputs: Outputs | None = None
    error: str | None = None
    details: str | None = None
    seconds: float = 0.0  # wall clock
    cpu_seconds: float = 0.0
    is_out_of_memory: bool = False  # the process cannot be used again


class BlockProcess:
    """The parent's end. One thread at a time may call `run`; any thread may call `kill`."""

    def __init__(self, block_modules: tuple[str, ...], start_timeout: float, memory: int | None = None) -> None:
        """Starts the process and waits up to `start_timeout` seconds until it has loaded the blocks. If that fails, the
        process is dead and `run` returns the reason. `memory` limits its address space, in bytes; macOS does not
        enforce this limit."""
        self._memory = memory
        self._pipe, child_pipe = _spawn.Pipe()
        self._process = _spawn.Process(
            target=_serve, args=(child_pipe, block_modules, memory), daemon=True, name="runwire-blocks"
        )
        self._process.start()
        child_pipe.close()
        ready = self._receive(start_timeout, "The process for blocks did not start in {seconds:g} s.")
        self._start_failure = ready if ready.error else None

    @property
    def is_alive(self) -> bool:
        return self._start_failure is None and self._process.is_alive()

    def run(self, block_id: str, data: dict[str, Any], timeout: float) -> Outcome:
        """Runs the block for at most `timeout` seconds. Does not raise when the block fails or the process dies: the
        Outcome says so."""
        if self._start_failure:
            return self._start_failure
        started = time.perf_counter()
        try:
            self._pipe.send((block_id, data))
        except OSError:
            return self._explain_death()
        outcome = self._receive(timeout, "It took longer than {seconds:g} s and was stopped.")
        if outcome.is_out_of_memory:
            self.kill()
            self._process.join()
        if outcome.seconds == 0.0:  # the child did not measure it
            outcome = Outcome(outcome.outputs, outcome.error, outcome.details, time.perf_counter() - started)
        return outcome

    def kill(self) -> None:
        self._process.kill()

    def _receive(self, timeout: float, timeout_error: str) -> Outcome:
        try:
            if not self._pipe.poll(timeout):
                self.kill()
                self._process.join()
                return Outcome(error=timeout_error.format(seconds=timeout))
            outcome: Outcome = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - our own process wrote it
        except (EOFError, OSError):
            return self._explain_death()
        except Exception:
            self.kill()
            return Outcome(error="It returned what cannot be carried to the server.", details=traceback.format_exc())
        return outcome

    def _explain_death(self) -> Outcome:
        self._process.join()
        code = self._process.exitcode
        if code is None:  # another thread has read the exit code
            how = "ended"
        else:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        error = f"Its process {how} before the block was done."
        if self._memory and code in _CRASHES:  # libraries in C and Rust may not survive a refused allocation
            error = f"{error} Perhaps: {_out_of_memory(self._memory)}"
        return Outcome(error=error)


def _serve(pipe: Connection, block_modules: tuple[str, ...], memory: int | None) -> None:
    """The child's end. Ctrl-C and a service manager's SIGTERM reach the whole process group. The child ignores both:
    the server decides when its block processes end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(5)  # the sockets of the server have priority
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    if memory is not None:
        _limit(resource.RLIMIT_AS, memory)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        load(block_modules)
    except BaseException as error:
        _send(pipe, Outcome(error=f"The blocks could not be loaded: {_message(error)}", details=traceback.format_exc()))
        return
    _send(pipe, Outcome())
    while True:
        try:
            block_id, data = pipe.recv()
        except EOFError:
            return
        _send(pipe, _run_block(block_id, data, memory), memory)


def _limit(kind: int, value: int) -> None:
    """Lowers a limit of this process. An operating system that refuses, as macOS may, keeps its own limit."""
    hard = resource.getrlimit(kind)[1]
    with suppress(OSError, ValueError):
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _run_block(block_id: str, data: dict[str, Any], memory: int | None) -> Outcome:
    started, cpu_started = time.perf_counter(), time.process_time()
    is_out_of_memory = False
    outputs: Outputs | None = None
    error: str | None = None
    details: str | None = None
    try:
        block = find_block(block_id)
        if block is None:
            raise BlockError(f'There is no block "{block_id}".')
        outputs = block.run(data)
    except BlockError as problem:
        error = _message(problem)
    except MemoryError:
        error, is_out_of_memory = _out_of_memory(memory), True
    except BaseException as problem:
        error, details = f"{type(problem).__name__}: {_message(problem)}", traceback.format_exc()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return Outcome(outputs, error, details, seconds, cpu_seconds, is_out_of_memory)


def _out_of_memory(memory: int | None) -> str:
    limit = f'{memory / 2**20:,.0f} MB, the limit of one block (EXECUTIONS["BLOCK_MEMORY"])' if memory else "there is"
    return f"It needed more memory than {limit}. Give it less to work on."


def _send(pipe: Connection, outcome: Outcome, memory: int | None = None) -> None:
    try:
        pickled = pickle.dumps(outcome)
    except MemoryError:
        pickled = pickle.dumps(Outcome(error=_out_of_memory(memory), is_out_of_memory=True))
    except Exception as error:
        problem = Outcome(None, f"It returned what cannot be carried to the server: {_message(error)}")
        pickled = pickle.dumps(problem)
    if len(pickled) > MAX_OUTCOME_BYTES:
        size, limit = len(pickled) / 2**20, MAX_OUTCOME_BYTES / 2**20
        pickled = pickle.dumps(Outcome(None, f"It returned {size:,.1f} MB; {limit:g} MB are the most."))
    pipe.send_bytes(pickled)


def _message(error: BaseException) -> str:
    """The error's text, made safe to record. Reading the text of an exception may fail; the text may be very long, or
    hold characters that no database takes."""
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be read"
    text = text.encode(errors="replace").decode().replace("\0", "�")
    return text if len(text) <= MAX_ERROR_LENGTH else f"{text[:MAX_ERROR_LENGTH]} …"


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
