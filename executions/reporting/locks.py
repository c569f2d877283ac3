"""The locks that reports take: first of the executions, then of the node executions, each in the order of their primary
keys. So of two batches one waits for the other, and the second sees what the first has done.
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


def key_of(execution: GraphExecution) -> UUID:
    return execution.pk if isinstance(execution.pk, UUID) else UUID(str(execution.pk))


def lock_executions(reports: Sequence[Report], using: str) -> dict[UUID, GraphExecution]:
    """Not against those who only refer to them."""
    pks = {key_of(report.execution) for report in reports}
    found = GraphExecution.objects.using(using).filter(pk__in=pks).order_by("pk").select_for_update(no_key=True)
    if not any(isinstance(report, ExecutionReport) for report in reports):
        found = found.only("user", "graph", "graph_version", "status", "attempt")
    return {execution.pk: execution for execution in found}


_LATEST = """
    SELECT id FROM (
        SELECT id, row_number() OVER (
            PARTITION BY graph_execution_id, node_id ORDER BY add_time DESC, id DESC
        ) AS newness
        FROM executions_nodeexecution
        WHERE graph_execution_id {among_executions}
            AND graph_execution_id || '/' || attempt || '/' || node_id {among_nodes}
    ) AS ranked
    WHERE newness = 1
"""


def lock_nodes(
    reports: Sequence[Report], executions: Mapping[UUID, GraphExecution], using: str
) -> Iterable[NodeExecution]:
    """Those that the reports name by their ids, the latest of those that they name by their nodes, and where an
    execution ends, those that are unfinished."""
    ids, latest, ending = set(), set(), set()
    for report in reports:
        execution = executions.get(key_of(report.execution))
        if execution is None:
            continue
        if isinstance(report, ExecutionReport):
            if report.status in ENDED:
                ending.add(execution.pk)
        elif report.node_exec_id is None:
            node_id = str(report.node_id)
            if is_text(node_id):  # PostgreSQL fails where it is asked for other text
                latest.add((execution, node_id))
        elif pk := as_uuid(report.node_exec_id):
            ids.add(pk)
    asked, parameters = [], []
    if latest:
        names = {f"{_id_text(each.pk, using)}/{each.attempt}/{node_id}" for each, node_id in latest}
        among_executions, pks = _among({each.pk for each, _ in latest}, using)
        among_nodes, values = _among(names, using)
        asked.append(_LATEST.format(among_executions=among_executions, among_nodes=among_nodes))
        parameters += [pks, values]
    if ending:
        among_executions, pks = _among(ending, using)
        among_statuses, values = _among(_UNFINISHED, using)
        asked.append(
            "SELECT id FROM executions_nodeexecution "  # noqa: S608 - constants
            f"WHERE graph_execution_id {among_executions} AND status {among_statuses}"
        )
        parameters += [pks, values]
    if asked and ids:
        # One query, and so one order of the locks; not with OR, which no index serves.
        among_ids, pks = _among(ids, using)
        asked.append(f"SELECT id FROM executions_nodeexecution WHERE id {among_ids}")  # noqa: S608 - constants
        parameters.append(pks)
    if not (asked or ids):
        return []
    wanted = RawSQL(" UNION ".join(asked), parameters) if asked else ids  # noqa: S611 - constants
    found = NodeExecution.objects.using(using).select_for_update(no_key=True)
    return found.filter(pk__in=wanted).order_by("pk")


def _among(values: Iterable[Any], using: str) -> tuple[str, Any]:
    """The condition that a column holds one of these ids or texts, and its parameter."""
    texts = [_id_text(value, using) for value in values]
    if connections[using].vendor == "postgresql":
        return "= ANY(%s)", texts
    return "IN (SELECT value FROM json_each(%s))", json.dumps(texts)


def _id_text(value: Any, using: str) -> str:
    """An id as a column holds it, where it is made into text."""
    return value.hex if isinstance(value, UUID) and connections[using].vendor != "postgresql" else str(value)
