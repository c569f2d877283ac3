"""For whom a worker may start runs, and of which graphs."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from executions.api.worker_tokens import create_token, revoke_token
from executions.models import Graph, GraphExecution
from executions.services import start_execution
from tests.executions.api.conftest import ApiClient, ok, refused

Start = Callable[..., Any]


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create_superuser("boss")


def worker_with(**scope: Any) -> ApiClient:
    return ApiClient(token=create_token("press", **scope)[1])


def start(worker: ApiClient, user: User | str, graph: Graph | str) -> Any:
    name = user if isinstance(user, str) else user.username
    return worker.post("/worker/executions", {"username": name, "graph_id": str(getattr(graph, "pk", graph))})


def own_graph(user: User) -> Graph:
    return Graph.objects.create(owner=user, name="own", nodes=[], links=[])


def test_a_worker_for_all_starts_each_users_own_graphs(graph: Graph, user: User, other_user: User) -> None:
    worker = worker_with()
    ok(start(worker, user, graph), 201)
    ok(start(worker, other_user, own_graph(other_user)), 201)
    refused(start(worker, other_user, graph), 404)


def test_a_worker_does_not_use_what_staff_may_see(graph: Graph, admin: User) -> None:
    worker = worker_with()
    refused(start(worker, admin, graph), 404)
    ok(start(worker, admin, own_graph(admin)), 201)


def test_a_token_may_name_a_graph_that_staff_may_see(graph: Graph, user: User, other_user: User, admin: User) -> None:
    worker = worker_with(graphs=[graph])
    ok(start(worker, admin, graph), 201)
    ok(start(worker, user, graph), 201)
    refused(start(worker, other_user, graph), 404)  # who may not see it
    refused(start(worker, user, own_graph(user)), 404)


def test_a_token_for_a_user_starts_for_nobody_else(graph: Graph, user: User, other_user: User) -> None:
    worker = worker_with(users=[user])
    ok(start(worker, user, graph), 201)
    refused(start(worker, other_user, own_graph(other_user)), 404)


def test_both_limits_count(graph: Graph, user: User, admin: User) -> None:
    worker = worker_with(users=[user], graphs=[graph])
    ok(start(worker, user, graph), 201)
    refused(start(worker, user, own_graph(user)), 404)
    refused(start(worker, admin, graph), 404)


@pytest.mark.parametrize("scope", ["all", "users", "graphs", "both"])
def test_a_worker_does_not_learn_who_has_an_account(scope: str, graph: Graph, user: User, other_user: User) -> None:
    worker = worker_with(
        users=[user] if scope in ("users", "both") else None, graphs=[graph] if scope in ("graphs", "both") else None
    )
    inactive = User.objects.create_user("gone", is_active=False)
    answers = {
        start(worker, who, what).content
        for who in ("nobody", other_user, inactive, other_user.username.upper())
        for what in (graph, str(uuid4()))
    }
    assert len(answers) == 1
    assert start(worker, user, str(uuid4())).content in answers


@pytest.mark.parametrize("form", ["0{}", " {}", "+{}", "{}.0"])
def test_the_id_of_a_user_is_compared_exactly(form: str, graph: Graph, user: User, worker: ApiClient) -> None:
    wanted = {"user_id": form.format(user.pk), "graph_id": str(graph.pk)}
    refused(worker.post("/worker/executions", wanted), 404)


def test_a_worker_reports_and_lists_only_within_its_scope(graph: Graph, user: User, other_user: User) -> None:
    foreign = start_execution(own_graph(other_user), user=other_user, runner="worker:press")
    free = start_execution(own_graph(other_user), user=other_user)
    own = start_execution(graph, user=user)
    for scope in ({"users": [user]}, {"graphs": [graph]}):
        worker = worker_with(**scope)
        for each in (foreign, free):
            refused(worker.post(f"/worker/executions/{each.pk}/report", {"status": "RUNNING"}), 404)
            refused(worker.post(f"/worker/executions/{each.pk}/heartbeat"), 404)
        assert ok(worker.get("/worker/executions"))["items"] == []
        revoke_token("press")
    worker = worker_with(users=[user], graphs=[graph])
    ok(worker.post(f"/worker/executions/{own.pk}/report", {"status": "RUNNING"}))


def test_a_scope_whose_last_user_or_graph_is_deleted_is_empty(graph: Graph, user: User, other_user: User) -> None:
    worker = worker_with(users=[other_user])
    other_user.delete()
    refused(start(worker, user, graph), 404)
    revoke_token("press")
    only = own_graph(user)
    worker = worker_with(graphs=[only])
    only.delete()
    refused(start(worker, user, graph), 404)
    assert not GraphExecution.objects.exists()


def test_a_revoked_token_may_nothing(graph: Graph, user: User) -> None:
    worker = worker_with(users=[user])
    run = ok(start(worker, user, graph), 201)["id"]
    revoke_token("press")
    refused(start(worker, user, graph), 401)
    refused(worker.post(f"/worker/executions/{run}/report", {"status": "RUNNING"}), 401)
