"""Credential inputs are in the database only: neither in admin, pages and answers, nor in the log."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from realtime.models import StreamEvent

SECRET = "s3cret-of-the-run"


@pytest.fixture
def execution(graph: Graph, user: User) -> GraphExecution:
    return GraphExecution.objects.create(user=user, graph=graph, credential_inputs={"key": {"value": SECRET}})


def test_credential_inputs_leave_the_database_only_if_the_setting_says_so(
    admin_client: Client, execution: GraphExecution, settings: Settings
) -> None:
    admin_page = f"/admin/executions/graphexecution/{execution.pk}/change/"
    for path in (admin_page, f"/executions/{execution.pk}/", f"/api/executions/{execution.pk}"):
        answer = admin_client.get(path)
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
    assert StreamEvent.objects.exists()
    assert SECRET not in str(list(StreamEvent.objects.values()))
    settings.EXECUTIONS = {"SHOW_CREDENTIAL_INPUTS": True}
    assert SECRET in admin_client.get(admin_page).content.decode()
    execution.status = "RUNNING"
    execution.save()
    assert SECRET in str(list(StreamEvent.objects.values()))
