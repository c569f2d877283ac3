"""One run of the embedded runner, from RUNNING to its end.

    node      QUEUED with its input ─► RUNNING ─► COMPLETED with its outputs
                                              └─► FAILED with {"error": ["what went wrong"]}
    after a failed node    TERMINATED with {"error": ["Not run, since "…" failed."]}
    the run   COMPLETED with the outputs of its last nodes, or FAILED with `stats.error`

Branches that do not depend on a failed node run to their end. A node that would make the run write more than
MAX_RUN_BYTES fails, and so does the run, at once. The processes of `process_pool.py` run the blocks. They
put messages into the mailbox of the run. The one thread of the run takes the messages and records them, so the events
of a run have one order.

Each write locks the row of the run, and happens only while the row says that the run is RUNNING and belongs to this
process. If another user or process terminates the run, or the lease is lost, this process stops writing and leaves it.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.db import InterfaceError, OperationalError, close_old_connections, transaction
from pydantic import ValidationError

from executions.blocks.registry import BlockError, find_block
from executions.blocks.run_inputs import run_fields
from executions.conf import limits
from executions.graphs import GraphDefinition, Node
from executions.leases import is_claimed_by, lock_claim, release_claim
from executions.models import GraphExecution, NodeExecution
from executions.runner.block_process import Outcome
from executions.runner.byte_budget import INPUT_COPIES, OUTPUT_COPIES, BudgetExceeded, ByteBudget
from executions.runner.process_pool import ProcessPool, Task
from executions.runner.run_stats import RunStats
from executions.runner.schedule import Schedule
from executions.services import NodeReport, finish_execution, report_all, report_node
from executions.statuses import ExecutionStatus, IllegalTransition
from executions.validation import sentences

logger = logging.getLogger(__name__)
R = TypeVar("R")

_PAUSES = (0.5, 2.0)  # seconds before a write is tried again, after the database failed


class NoLongerOurs(Exception):  # noqa: N818 - it names what happened
    """The run was terminated, is under review, or belongs to another process. This process must stop working on it."""


class Run:
    """A claimed execution. Its thread calls `go` once. Any thread may call `check` and `stop`."""

    def __init__(self, execution: GraphExecution, pool: ProcessPool) -> None:
        self.execution = execution
        self.owner = execution.runner
        self._pool = pool
        self._mailbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._tasks: dict[str, Task] = {}  # node id → the task that runs it, or waits
        self._stats = RunStats()
        self._budget = ByteBudget(limits.MAX_RUN_BYTES)
        self._schedule: Schedule
        self._earlier: dict[str, dict[str, Any]] = {}  # node id → outputs; only where a run continues after a review

    def check(self) -> None:
        """The execution was changed. Checks whether the run still belongs to this process."""
        self._mailbox.put(self._check)

    def stop(self) -> None:
        """Puts the run back into the queue. Another process starts it from the beginning."""
        self._mailbox.put(self._give_back)

    def go(self) -> None:
        """Returns when the run has ended, or no longer belongs to this process. Does not raise."""
        try:
            self._go()
        except NoLongerOurs as reason:
            logger.info("Run %s: %s.", self.execution.pk, reason)
        except Exception:
            logger.exception("Run %s: the runner failed; the run becomes FAILED.", self.execution.pk)
            self._record_own_failure()
        finally:
            self._abandon_tasks()
            close_old_connections()

    def _go(self) -> None:
        try:
            definition = GraphDefinition.model_validate(self.execution.definition)
        except ValidationError as error:
            return self._finish_with(f"The graph cannot be run. {'; '.join(sentences(error))}")
        unknown = self.execution.inputs.keys() - run_fields(definition).keys()
        if unknown:
            return self._finish_with(f"No node of the graph takes the input {', '.join(map(repr, sorted(unknown)))}.")
        self._schedule = Schedule(definition)
        self._earlier = self._record(self._earlier_outputs)
        try:
            self._budget.charge(self.execution.inputs, INPUT_COPIES)
            self._start_ready()
            while self._tasks:
                try:
                    handle_message = self._mailbox.get(timeout=limits.POLL_INTERVAL)
                except Empty:
                    handle_message = self._check
                handle_message()
            self._finish()
        except BudgetExceeded as error:
            self._abandon_tasks()
            self._finish_with(str(error))
        return None

    def _abandon_tasks(self) -> None:
        for task in self._tasks.values():
            task.abandon()

    def _earlier_outputs(self) -> dict[str, dict[str, Any]]:
        rows = NodeExecution.objects.filter(
            graph_execution=self.execution, attempt=self.execution.attempt, status=ExecutionStatus.COMPLETED
        )
        return dict(rows.order_by("add_time").values_list("node_id", "output_data"))

    def _start_ready(self) -> None:
        while ready := self._schedule.ready():
            for node in ready:
                if node.id in self._earlier:
                    self._schedule.completed(node, self._earlier[node.id])
                else:
                    self._start(node)

    def _start(self, node: Node) -> None:
        id = uuid4()
        try:
            block = find_block(node.block_id)
            if block is None:
                raise BlockError(f'There is no block "{node.block_id}".')
            mask = (self.execution.nodes_input_masks or {}).get(node.id)
            if not isinstance(mask, dict | None):
                raise BlockError("What `nodes_input_masks` says of it is not an object.")
            self._budget.check(INPUT_COPIES * self._schedule.carried_bytes(node, limits.MAX_RUN_BYTES))
            data = self._schedule.input_of(node, block, self.execution.inputs, mask)
            self._budget.charge(data, INPUT_COPIES)
            self._report(node, id, ExecutionStatus.QUEUED, input_data=data)
        except BudgetExceeded as error:
            self._fail(node, id, str(error))
            raise
        except BlockError as error:
            return self._fail(node, id, str(error))
        except ValueError as error:
            return self._fail(node, id, f"Its input cannot be recorded. {error}")
        task = Task(
            node.block_id,
            data,
            timeout=limits.NODE_TIMEOUT,
            on_start=lambda: self._mailbox.put(partial(self._on_start, node, id)),
            on_end=lambda outcome: self._mailbox.put(partial(self._on_end, node, id, outcome)),
            user=self.execution.user_id,
        )
        self._tasks[node.id] = task
        self._pool.submit(task)
        return None

    def _on_start(self, node: Node, id: UUID) -> None:
        try:
            self._report(node, id, ExecutionStatus.RUNNING)
        except IllegalTransition as error:
            logger.warning("Run %s, node %s: another writer changed it. %s", self.execution.pk, node.id, error)

    def _on_end(self, node: Node, id: UUID, outcome: Outcome) -> None:
        del self._tasks[node.id]
        self._stats.add(outcome)
        if outcome.details:
            logger.warning("Run %s, node %s:\n%s", self.execution.pk, node.id, outcome.details)
        if outcome.error is not None:
            return self._fail(node, id, outcome.error)
        try:
            self._budget.charge(outcome.outputs, OUTPUT_COPIES)
            row = self._report(node, id, ExecutionStatus.COMPLETED, output_data=outcome.outputs)
        except BudgetExceeded as error:
            self._fail(node, id, str(error))
            raise
        except ValueError as error:
            return self._fail(node, id, f"What it returned cannot be recorded. {error}")
        self._schedule.completed(node, row.output_data)
        return self._start_ready()

    def _fail(self, node: Node, id: UUID, error: str) -> None:
        self._stats.add_error(node.name, error)
        try:
            self._report(node, id, ExecutionStatus.FAILED, output_data={"error": [error]})
        except IllegalTransition as problem:
            logger.warning("Run %s, node %s: another writer changed it. %s", self.execution.pk, node.id, problem)
        reason = {"error": [f"Not run, since “{node.name}” failed."]}
        not_run = [
            NodeReport(
                self.execution,
                node_id=each.id,
                block_id=each.block_id,
                node_exec_id=uuid4(),
                status=ExecutionStatus.TERMINATED,
                output_data=reason,
            )
            for each in self._schedule.failed(node)
        ]
        if not_run:
            self._record(lambda: report_all(not_run))

    def _finish(self) -> None:
        stats, outputs = self._stats.summary(), self._schedule.outputs()
        self._budget.charge(outputs, OUTPUT_COPIES)
        status = ExecutionStatus.FAILED if stats.error else ExecutionStatus.COMPLETED
        try:
            self._record(lambda: finish_execution(self.execution, status=status, outputs=outputs, stats=stats))
        except ValueError as error:
            self._finish_with(f"The outputs of the run cannot be recorded. {error}")
        logger.info("Run %s: %s after %.2f s.", self.execution.pk, status, stats.duration)

    def _finish_with(self, error: str) -> None:
        stats = self._stats.summary()
        self._record(lambda: finish_execution(self.execution, status=ExecutionStatus.FAILED, stats=stats, error=error))

    def _check(self) -> None:
        try:
            if not is_claimed_by(self.execution, self.owner):
                raise NoLongerOurs("it no longer belongs to this process")
        except (OperationalError, InterfaceError):
            logger.warning("Run %s: the database failed.", self.execution.pk, exc_info=True)
        finally:
            close_old_connections()

    def _give_back(self) -> None:
        self._record(lambda: release_claim(self.execution))
        raise NoLongerOurs("it is back in the queue")

    def _record_own_failure(self) -> None:
        try:
            self._finish_with("The embedded runner failed; its log says why.")
        except NoLongerOurs:
            pass
        except Exception:
            logger.exception("Run %s was not recorded as FAILED; it fails when its lease expires.", self.execution.pk)

    def _report(self, node: Node, id: UUID, status: ExecutionStatus, **data: Any) -> NodeExecution:
        return self._record(
            lambda: report_node(
                self.execution, node_id=node.id, block_id=node.block_id, node_exec_id=id, status=status, **data
            )
        )

    def _record(self, write: Callable[[], R]) -> R:
        """Calls `write` in a transaction that holds the lock on the run. Raises NoLongerOurs if the run belongs to
        another process. Tries twice more if the database fails: a repeat is safe, because each write names its row and
        sets the values."""
        for pause in (*_PAUSES, None):
            try:
                with transaction.atomic():
                    if not lock_claim(self.execution, self.owner):
                        raise NoLongerOurs("it no longer belongs to this process")
                    return write()
            except (OperationalError, InterfaceError):
                if pause is None:
                    raise
                logger.warning(
                    "Run %s: the database failed; the write is tried again.", self.execution.pk, exc_info=True
                )
                time.sleep(pause)
            finally:
                close_old_connections()
        raise AssertionError("unreachable")
