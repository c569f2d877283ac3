"""The views. The pages work without JavaScript; static/executions/ adds live updates.

`executions.access` alone decides on permissions. An object that a user may not see is a 404.
"""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.core.paginator import Page, Paginator
from django.db.models import Count, F
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from executions import services
from executions.access import as_uuid, graphs_visible_to, list_executions, may_change
from executions.leases import EMBEDDED
from executions.models import NodeExecution
from executions.record_caps import TooMuchRecorded, check_recorded
from executions.statuses import ExecutionStatus, IllegalTransition
from executions.web.execution_page import NodeCount, results_page, run_page
from executions.web.forms import StartForm
from executions.web.lookup import get_changeable_execution, get_execution
from executions.web.password_forms import LoginForm
from executions.web.sharing import share_panel

PAGE_SIZE = 25
MAX_WATCHED_GRAPHS = 100  # the newest; more subscriptions than this do not help a reader


class LoginPage(LoginView):
    form_class = LoginForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "has_demo_accounts": settings.DEBUG}


@login_required
@require_GET
def execution_list(request: HttpRequest) -> HttpResponse:
    graphs = graphs_visible_to(request.user).order_by("-updated_at").values_list("pk", flat=True)
    context = {"graph_ids": [str(pk) for pk in graphs[:MAX_WATCHED_GRAPHS]]}
    return render(request, "executions/execution_list.html", _rows(request) | context)


@login_required
@require_GET
def execution_rows(request: HttpRequest) -> HttpResponse:
    """The rows of the list without the page around them."""
    return render(request, "executions/_rows.html", _rows(request))


def _rows(request: HttpRequest) -> dict[str, Any]:
    rows = (
        list_executions(request.user)
        .select_related("graph", "user")
        .only(
            *("status", "created_at", "started_at", "ended_at", "graph__name", "user__username"),
        )
        .annotate(total=NodeCount("definition"))
        .order_by("-created_at", "pk")
    )
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    _count_done(page)
    return {"page": page, "has_graphs": graphs_visible_to(request.user).exists()}


def _count_done(page: Page[Any]) -> None:
    """Sets `done`, the number of completed nodes, on each execution of the page."""
    done = dict(
        NodeExecution.objects.filter(
            graph_execution__in=[execution.pk for execution in page],
            attempt=F("graph_execution__attempt"),
            status=ExecutionStatus.COMPLETED,
        )
        .values("graph_execution")
        .annotate(done=Count("node_id", distinct=True))
        .values_list("graph_execution", "done")
    )
    for execution in page:
        execution.done = done.get(execution.pk, 0)


@login_required
@require_http_methods(["GET", "POST"])
def execution_start(request: HttpRequest) -> HttpResponse:
    retry_after = ""
    if request.method == "GET":
        form = StartForm(user=request.user, graph_id=request.GET.get("graph"))
    else:
        form = StartForm(request.POST, request.FILES, user=request.user)
        if form.is_valid():
            graph = form.cleaned_data["graph"]
            try:
                check_recorded([request.user.pk])
                execution = services.start_execution(graph, user=request.user, inputs=form.inputs, runner=EMBEDDED)
                return redirect("execution-detail", execution.pk)
            except (services.QueueIsFull, TooMuchRecorded) as error:
                form.add_error(None, str(error))
                retry_after = str(error.retry_after)
            except ValueError as error:  # the inputs cannot be stored
                form.add_error(None, str(error))
    status = 429 if retry_after else 200 if request.method == "GET" else 422
    response = render(request, "executions/execution_start.html", {"form": form}, status=status)
    if retry_after:
        response["Retry-After"] = retry_after
    return response


@login_required
@require_GET
def execution_detail(request: HttpRequest, execution_id: str) -> HttpResponse:
    execution = get_execution(request, execution_id)
    is_changeable = may_change(request.user, execution)
    context = {
        "run": run_page(execution, request.GET.get("nodes")),
        "may_terminate": is_changeable,
        "share": share_panel(request, execution) if is_changeable else None,
    }
    return render(request, "executions/execution_detail.html", context)


@login_required
@require_GET
def execution_results(request: HttpRequest, execution_id: str) -> HttpResponse:
    """The results of a run: error, report, outputs, stats."""
    return render(request, "executions/_results.html", {"run": results_page(get_execution(request, execution_id))})


@login_required
@require_POST
def execution_terminate(request: HttpRequest, execution_id: str) -> HttpResponse:
    execution = get_changeable_execution(request, execution_id)
    with suppress(IllegalTransition):  # it has ended in the meantime; the page shows it
        services.terminate_execution(execution)
    return redirect("execution-detail", execution.pk)


@login_required
@require_GET
def node_data(request: HttpRequest, execution_id: str, node_execution_id: str) -> HttpResponse:
    """The complete inputs and outputs of a node, as JSON."""
    pk = as_uuid(node_execution_id)
    node = get_execution(request, execution_id, only=("pk",)).node_executions.filter(pk=pk).first() if pk else None
    if node is None:
        raise Http404
    # Not indented: an indentation can make 1 MB of nested lists 100 times as long.
    data = {"input_data": node.input_data, "output_data": node.output_data}
    return JsonResponse(data, json_dumps_params={"ensure_ascii": False})


@login_required
@require_GET
def notification_panel(request: HttpRequest) -> HttpResponse:
    return render(request, "executions/_notification_panel.html")


@login_required
@require_POST
def notification_read(request: HttpRequest) -> HttpResponse:
    """Marks the notifications with the posted ids as read; all without ids."""
    services.mark_read(request.user, request.POST.getlist("id") or None)
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = reverse("execution-list")
    return HttpResponseRedirect(back)  # `redirect` would look for a view of this name, and fail
