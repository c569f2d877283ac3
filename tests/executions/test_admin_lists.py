"""Lists and long pages need few queries, and can be searched."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution, Notification
from tests.executions.admin_pages import change_url, form_of, url
from tests.executions.conftest import LINKS, NODES, Received

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(execution: GraphExecution) -> None:
    users = User.objects.bulk_create([User(username=f"user-{number}") for number in range(30)])
    graphs = Graph.objects.bulk_create(
        [Graph(owner=each, name=f"Graph of {each}", nodes=NODES, links=LINKS) for each in users]
    )
    GraphExecution.objects.bulk_create([GraphExecution(graph=each, user=each.owner) for each in graphs])
    NodeExecution.objects.bulk_create(
        [NodeExecution(graph_execution=execution, node_id=f"node-{number}") for number in range(130)]
    )
    Notification.objects.bulk_create([Notification(user=each, type="info", event=f"Hello {each}") for each in users])


@pytest.mark.parametrize("name", ["graph", "graphexecution", "nodeexecution", "notification"])
def test_the_number_of_queries_of_a_list_does_not_depend_on_its_length(
    admin: Client, many: None, django_assert_max_num_queries: Any, name: str
) -> None:
    with django_assert_max_num_queries(8):  # session, user, count, date hierarchy, filters, rows
        response = admin.get(url(f"{name}_changelist"))
    assert len(response.context["cl"].result_list) > 29


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("graph", {"q": "Graph of user-7"}),
        ("graphexecution", {"q": "user-7", "status__exact": "QUEUED", "created_at__year": "{year}"}),
        ("graphexecution", {"q": "{id}"}),
        ("nodeexecution", {"q": "node-77"}),
        ("notification", {"q": "Hello user-7", "read_at__isempty": "1"}),
    ],
)
def test_lists_are_searched_and_filtered(admin: Client, many: None, name: str, query: dict[str, str]) -> None:
    some_id = str(GraphExecution.objects.get(user__username="user-7").pk)
    query = {key: value.format(year=timezone.now().year, id=some_id) for key, value in query.items()}
    assert len(admin.get(url(f"{name}_changelist"), query).context["cl"].result_list) == 1
    assert len(admin.get(url(f"{name}_changelist"), {**query, "q": "nobody"}).context["cl"].result_list) == 0


def test_a_page_with_many_nodes_needs_few_queries_and_can_be_saved(
    admin: Client, execution: GraphExecution, many: None, django_assert_max_num_queries: Any, received: Received
) -> None:
    with django_assert_max_num_queries(8):
        response = admin.get(change_url(execution))
    assert len(response.context["inline_admin_formsets"][0].formset.forms) == 100  # the newest
    data = form_of(admin, execution)
    assert len(data) < 1_000  # the limit of Django
    last = NodeExecution.objects.order_by("-add_time", "-pk").first()
    at = next(key for key, value in data.items() if key.endswith("-id") and value == last.pk).removesuffix("-id")
    # More nodes are created meanwhile, so the posted nodes are no longer the newest ones.
    NodeExecution.objects.bulk_create([NodeExecution(graph_execution=execution, node_id="x") for _ in range(50)])
    received.clear()
    with django_assert_max_num_queries(25):
        assert admin.post(change_url(execution), {**data, f"{at}-status": "RUNNING"}).status_code == 302
    assert received.event.node_exec_id == str(last.pk)
