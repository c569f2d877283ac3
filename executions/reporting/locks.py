"""The row locks that reports need.

The executions are locked first, then the node executions, each in the order of their primary keys. So two concurrent
calls cannot deadlock: the second one waits, and then sees what the first one wrote.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models.expressions import RawSQL

from executions.access import as_uuid
from executions.models import GraphExecution, NodeExecution
from executions.reporting.reports import ExecutionReport, Report
from executions.statuses import ENDED, ExecutionStatus
from executions.storable import is_text

_UNFINISHED = sorted(set(ExecutionStatus) - ENDED)


def pk_of(execution: GraphExecution) -> UUID:
    """The primary key of an instance whose id may still be text."""
    return execution.pk if isinstance(execution.pk, UUID) else UUID(str(execution.pk))


def lock_executions(reports: Sequence[Report], using: str) -> dict[UUID, GraphExecution]:
    """Locks the executions of these reports. A row that only refers to one of them can still be written."""
    pks = {pk_of(report.execution) for report in reports}
    rows = GraphExecution.objects.using(using).filter(pk__in=pks).order_by("pk").select_for_update(no_key=True)
    if not any(isinstance(report, ExecutionReport) for report in reports):
        rows = rows.only("user", "graph", "graph_version", "status", "attempt")
    return {execution.pk: execution for execution in rows}


_LATEST = """
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY graph_execution_id, node_id ORDER BY add_time DESC, id DESC
        ) AS newness
        FROM executions_nodeexecution
        WHERE graph_execution_id {in_executions}
            AND graph_execution_id || '/' || attempt || '/' || node_id {in_nodes}
    ) AS ranked
    WHERE newness = 1
"""


def lock_nodes(
    reports: Sequence[Report], executions: Mapping[UUID, GraphExecution], using: str
) -> Iterable[NodeExecution]:
    """Locks the node executions that the reports need. These are
    - the ones that a report names by node_exec_id;
    - the latest one of each node that a report names by node_id only;
    - the unfinished ones of each execution that ends.
    """
    ids, latest, ending = set(), set(), set()
    for report in reports:
        execution = executions.get(pk_of(report.execution))
        if execution is None:
            continue
        if isinstance(report, ExecutionReport):
            if report.status in ENDED:
                ending.add(execution.pk)
        elif report.node_exec_id is None:
            node_id = str(report.node_id)
            if is_text(node_id):  # PostgreSQL raises an error if a query holds other text
                latest.add((execution, node_id))
        elif pk := as_uuid(report.node_exec_id):
            ids.add(pk)
    queries, parameters = [], []
    if latest:
        keys = {f"{_id_text(each.pk, using)}/{each.attempt}/{node_id}" for each, node_id in latest}
        in_executions, execution_pks = _in_list({each.pk for each, _ in latest}, using)
        in_nodes, node_keys = _in_list(keys, using)
        queries.append(_LATEST.format(in_executions=in_executions, in_nodes=in_nodes))
        parameters += [execution_pks, node_keys]
    if ending:
        in_executions, execution_pks = _in_list(ending, using)
        in_statuses, statuses = _in_list(_UNFINISHED, using)
        queries.append(
            "SELECT id FROM executions_nodeexecution "  # noqa: S608 - constants
            f"WHERE graph_execution_id {in_executions} AND status {in_statuses}"
        )
        parameters += [execution_pks, statuses]
    if queries and ids:
        # One query takes all locks, so there is one order of locks. UNION can use an index, OR cannot.
        in_ids, node_pks = _in_list(ids, using)
        queries.append(f"SELECT id FROM executions_nodeexecution WHERE id {in_ids}")  # noqa: S608 - constants
        parameters.append(node_pks)
    if not (queries or ids):
        return []
    pks = RawSQL(" UNION ".join(queries), parameters) if queries else ids  # noqa: S611 - constants
    rows = NodeExecution.objects.using(using).select_for_update(no_key=True)
    return rows.filter(pk__in=pks).order_by("pk")


def _in_list(values: Iterable[Any], using: str) -> tuple[str, Any]:
    """The SQL condition that a column holds one of these ids or texts, and the parameter of the condition."""
    texts = [_id_text(value, using) for value in values]
    if connections[using].vendor == "postgresql":
        return "= ANY(%s)", texts
    return "IN (SELECT value FROM json_each(%s))", json.dumps(texts)


def _id_text(value: Any, using: str) -> str:
    """The text of an id as the column holds it, or a text as it is."""
    return value.hex if isinstance(value, UUID) and connections[using].vendor != "postgresql" else str(value)
