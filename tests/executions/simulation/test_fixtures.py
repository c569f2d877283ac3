"""Objects of simulations are reused, and only these are deleted."""

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution, Notification
from executions.services import start_execution
from executions.simulation.fixtures import RUNNER, clean_up, make_accounts, make_graph

pytestmark = pytest.mark.django_db


def test_accounts_and_graphs_are_reused_and_accounts_cannot_log_in() -> None:
    accounts = make_accounts(2)

    assert make_accounts(2) == accounts
    assert not any(account.has_usable_password() or account.is_staff for account in accounts)
    graph = make_graph(accounts[0], "layers", 5)
    assert make_graph(accounts[0], "layers", 5) == graph
    assert (graph.name, graph.owner, len(graph.nodes)) == ("Simulated layers of 5", accounts[0], 5)


def test_an_account_of_another_origin_is_not_used() -> None:
    User.objects.create_user("simulated-2", password="mine")

    with pytest.raises(ValueError, match="There is an account simulated-2 that no simulation has made"):
        make_accounts(3)


def test_objects_of_simulations_are_deleted(user: User) -> None:
    (account,) = make_accounts(1)
    for owner in (account, user):
        start_execution(make_graph(owner, "chain", 2), user=owner, runner=RUNNER)

    assert clean_up() == {"executions": 2, "graphs": 2, "accounts": 1}

    assert list(User.objects.all()) == [user]
    assert not Graph.objects.exists()
    assert clean_up() == {"executions": 0, "graphs": 0, "accounts": 0}


def test_other_objects_are_not_deleted(user: User, graph: Graph, execution: GraphExecution) -> None:
    (account,) = make_accounts(1)
    simulated = make_graph(user, "chain", 2)
    used = make_graph(account, "chain", 2)
    by_hand = [start_execution(each, user=user, runner=runner) for each, runner in ((used, ""), (graph, "another"))]
    Notification.objects.create(user=user, type="info", event="Mine.")
    start_execution(simulated, user=user, runner=RUNNER)
    namesake = User.objects.create_user("simulated-7", password="mine")

    assert clean_up() == {"executions": 1, "graphs": 1, "accounts": 0}

    assert set(GraphExecution.objects.all()) == {execution, *by_hand}
    assert set(Graph.objects.all()) == {graph, used}
    assert set(User.objects.all()) == {user, account, namesake}
    assert Notification.objects.count() == 1
