"""The page of a shared run, for everybody who has its link, and the panel with which its owner shares it.

The page of a stranger depends on no session and no cookie. It shows the name of the graph, status, times and outputs,
which are masked, and nothing else. All links that open nothing get the same answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from executions.conf import limits
from executions.masking import masked
from executions.models import GraphExecution
from executions.sharing import opened_by, share_execution
from executions.statuses import ENDED
from executions.web.execution_page import outputs_and_report
from executions.web.formatting import Value, duration
from executions.web.lookup import get_changeable_execution

LIFETIMES = (86_400, 7 * 86_400, 30 * 86_400)  # seconds; what a page offers, as far as SHARE_LIFETIME allows it
FOR_EVER = "ever"


@dataclass(frozen=True)
class SharedRun:
    """What the page shows."""

    id: str
    graph_name: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    outputs: Sequence[Value]
    report: SafeString

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class SharePanel:
    """`url` is empty for a run that is not shared. `has_expired`: there is a link, and it opens nothing any more."""

    url: str
    expires_at: datetime | None
    has_expired: bool
    lifetimes: Sequence[tuple[str, str]]  # what a form sends, and what it shows


@require_safe
def shared_page(request: HttpRequest, token: str) -> HttpResponse:
    return _respond(request, token, "executions/shared.html")


@require_safe
def shared_results(request: HttpRequest, token: str) -> HttpResponse:
    """The results without the page around them."""
    return _respond(request, token, "executions/_shared_results.html")


@login_required
@require_POST
def share(request: HttpRequest, execution_id: str) -> HttpResponse:
    """Makes a new link; an old one opens nothing any more."""
    execution = get_changeable_execution(request, execution_id)
    lifetime = request.POST.get("lifetime", "")
    if lifetime not in dict(_lifetimes()):
        raise BadRequest("This lifetime is not offered.")
    expires_at = None if lifetime == FOR_EVER else timezone.now() + timedelta(seconds=float(lifetime))
    share_execution(execution, expires_at=expires_at)
    return _to_panel(execution)


@login_required
@require_POST
def stop_sharing(request: HttpRequest, execution_id: str) -> HttpResponse:
    execution = get_changeable_execution(request, execution_id)
    share_execution(execution, is_shared=False)
    return _to_panel(execution)


def share_panel(request: HttpRequest, execution: GraphExecution) -> SharePanel:
    token = execution.share_token if execution.is_shared else None
    end = execution.share_expires_at
    return SharePanel(
        request.build_absolute_uri(reverse("shared-page", args=[token])) if token else "",
        end,
        bool(token and end and end <= timezone.now()),
        _lifetimes(),
    )


def _respond(request: HttpRequest, token: str, template: str) -> HttpResponse:
    run = _find_shared(token)
    if run is None:
        response = render(request, "executions/shared_missing.html", status=404)
    else:
        response = render(request, template, {"run": run, "token": token})
    response["Referrer-Policy"] = "no-referrer"  # the address is the credential
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _find_shared(token: str) -> SharedRun | None:
    shown = ("status", "started_at", "ended_at", "outputs", "graph__name")
    row = next(iter(opened_by([token], *shown)), None)
    if row is None:
        return None
    outputs, report = outputs_and_report(masked(row.outputs, limits.SHARE_MASKED))
    return SharedRun(str(row.pk), row.graph.name, row.status, row.started_at, row.ended_at, outputs, report)


def _to_panel(execution: GraphExecution) -> HttpResponse:
    return redirect(reverse("execution-detail", args=[execution.pk]) + "#share")


def _lifetimes() -> list[tuple[str, str]]:
    longest = limits.SHARE_LIFETIME
    offered = [(str(each), _words(each)) for each in LIFETIMES if longest is None or each <= longest]
    if longest is None:
        return [*offered, (FOR_EVER, "for ever")]
    return offered or [(str(longest), duration(timedelta(seconds=longest)))]


def _words(seconds: int) -> str:
    days = seconds // 86_400
    return f"{days} day{'' if days == 1 else 's'}"
