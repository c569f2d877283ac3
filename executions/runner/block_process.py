"""One process that runs blocks, one after the other, and what it answers: both ends of the pipe between.

parent → child   (block id, input)
child → parent   Outcome, once when it is ready and then once a block
"""

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from executions.blocks.registry import BlockError, Outputs, find_block, load

MAX_OUTCOME_BYTES = 4 * 1024 * 1024
"""Of one block's outputs, pickled: several times what an event may weigh, and little enough for the server's memory."""
MAX_ERROR_LENGTH = 2_000

_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True)
class Outcome:
    """What became of a block: `outputs`, or the `error` that a person reads and the `details` for the log."""

    outputs: Outputs | None = None
    error: str | None = None
    details: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class BlockProcess:
    """The parent's end. `run` is for one thread at a time, `kill` for any."""

    def __init__(self, block_modules: tuple[str, ...], start_timeout: float) -> None:
        """Starts the process and waits until it has loaded the blocks, or `start_timeout` seconds; a process that could
        not is dead, and `run` says why."""
        self._pipe, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_work, args=(theirs, block_modules), daemon=True, name="runwire-blocks")
        self._process.start()
        theirs.close()
        first = self._answer(start_timeout, "The process for blocks did not start in {seconds:g} s.")
        self._unusable = first if first.error else None

    @property
    def is_alive(self) -> bool:
        return self._unusable is None and self._process.is_alive()

    def run(self, block_id: str, data: dict[str, Any], timeout: float) -> Outcome:
        """Never raises for what the block does, nor for what becomes of the process."""
        if self._unusable:
            return self._unusable
        started = time.perf_counter()
        try:
            self._pipe.send((block_id, data))
        except OSError:
            return self._post_mortem()
        outcome = self._answer(timeout, "It took longer than {seconds:g} s and was stopped.")
        if outcome.seconds == 0.0:
            outcome = Outcome(outcome.outputs, outcome.error, outcome.details, time.perf_counter() - started)
        return outcome

    def kill(self) -> None:
        self._process.kill()

    def _answer(self, timeout: float, too_late: str) -> Outcome:
        try:
            if not self._pipe.poll(timeout):
                self.kill()
                self._process.join()
                return Outcome(error=too_late.format(seconds=timeout))
            outcome: Outcome = pickle.loads(self._pipe.recv_bytes())  # noqa: S301 - our own process wrote it
        except (EOFError, OSError):
            return self._post_mortem()
        except Exception:
            self.kill()
            return Outcome(error="It returned what cannot be carried to the server.", details=traceback.format_exc())
        return outcome

    def _post_mortem(self) -> Outcome:
        self._process.join()
        code = self._process.exitcode
        if code is None:  # another thread was told of its end
            how = "ended"
        else:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return Outcome(error=f"Its process {how} before the block was done.")


def _work(pipe: Connection, block_modules: tuple[str, ...]) -> None:
    """The child's end. Ctrl-C and a service manager's SIGTERM reach the whole process group; the server then says what
    happens to its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(5)  # the server's sockets come first
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
        _send(pipe, _run_block(block_id, data))


def _run_block(block_id: str, data: dict[str, Any]) -> Outcome:
    started, cpu_started = time.perf_counter(), time.process_time()
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
    except BaseException as problem:
        error, details = f"{type(problem).__name__}: {_message(problem)}", traceback.format_exc()
    return Outcome(outputs, error, details, time.perf_counter() - started, time.process_time() - cpu_started)


def _send(pipe: Connection, outcome: Outcome) -> None:
    try:
        answer = pickle.dumps(outcome)
    except Exception as error:
        problem = Outcome(None, f"It returned what cannot be carried to the server: {_message(error)}")
        answer = pickle.dumps(problem)
    if len(answer) > MAX_OUTCOME_BYTES:
        size, most = len(answer) / 2**20, MAX_OUTCOME_BYTES / 2**20
        answer = pickle.dumps(Outcome(None, f"It returned {size:,.1f} MB; {most:g} MB are the most."))
    pipe.send_bytes(answer)


def _message(error: BaseException) -> str:
    """What an error says, made safe: an exception's own text may fail, be endless or hold what no database takes."""
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
