"""Who may see and change which executions and graphs. `EXECUTIONS["ACCESS"]` names the class of the project.

    EXECUTIONS = {"ACCESS": "executions.access_policies.TeamsOfGroups"}

`executions.access` asks the policy, and never for users who are anonymous or inactive: those see nothing.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q, prefetch_related_objects
from django.utils.module_loading import import_string

from executions.conf import limits

MAX_PARTS = 50  # of a page; SQLite takes an OR of 1,000


class OwnersAndStaff:
    """The default. The owner may see a row, and so may staff with the view permission of the model.

    A project overrides methods. Each gets an active user. Those that return a Q may be called for many users in turn:
    they should read nothing that `prepare` can read for all.
    """

    owners_see_theirs = True
    """Whether owners see all that is theirs. If so, the check in turn asks the database about the others only. False
    in a class that overrides `executions` or `graphs`, unless it says otherwise."""

    reads_teams = False
    """Whether the answers depend on `organization_id` and `team_id`. If so, a change of these is looked at at once.
    True in a class that overrides `executions` or `graphs`, unless it says otherwise."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not {"executions", "graphs"}.isdisjoint(vars(cls)):
            for name, safe in (("owners_see_theirs", False), ("reads_teams", True)):
                if name not in vars(cls):
                    setattr(cls, name, safe)

    def executions(self, user: Any) -> Q:
        """The executions that the user may see. Each part of an OR should have an index, with `-created_at` behind it:
        a page of a list is read part by part. A join must not repeat rows; use Exists instead."""
        return Q(user=user.pk)

    def graphs(self, user: Any) -> Q:
        """The graphs that the user may see, and so may start."""
        return Q(owner=user.pk)

    def sees_all_executions(self, user: Any) -> bool:
        """Whether the user may see everybody's executions. Then `executions` is not asked."""
        return bool(user.is_staff and user.has_perm("executions.view_graphexecution"))

    def sees_all_graphs(self, user: Any) -> bool:
        """Whether the user may see everybody's graphs. Then `graphs` is not asked."""
        return bool(user.is_staff and user.has_perm("executions.view_graph"))

    def may_change_execution(self, user: Any, execution: Any, verb: str) -> bool:
        """Whether the user may "change" or "delete" an execution that he may see."""
        return bool(execution.user_id == user.pk or user.has_perm(f"executions.{verb}_graphexecution"))

    def may_change_graph(self, user: Any, graph: Any, verb: str) -> bool:
        """Whether the user may "change" or "delete" a graph that he may see."""
        return bool(graph.owner_id == user.pk or user.has_perm(f"executions.{verb}_graph"))

    def may_assign(self, user: Any, organization_id: str | None, team_id: str | None) -> bool:
        """Whether the user may put a graph into this team of this organization. Asked when one of the two changes."""
        if organization_id is None and team_id is None:
            return True
        return bool(user.is_staff and user.has_perm("executions.change_graph"))

    def prepare(self, users: Sequence[Any]) -> None:
        """Called before the policy is asked about many users: reads what it needs for all of them, newly."""

    def check(self) -> Iterable[CheckMessage]:
        """For the system checks: what stands against this policy in this project."""
        return ()


class TeamsOfGroups(OwnersAndStaff):
    """A team is a group of `django.contrib.auth`: `team_id` is its primary key, as text.

    Members see the graphs and executions of the team, may start its graphs, and may put graphs of theirs into it.
    Changes stay with owners, and with users who have the permission of the model.
    """

    owners_see_theirs = True
    reads_teams = True

    def teams(self, user: Any) -> list[str]:
        """The teams of the user. A project with memberships of its own overrides this, and `prepare`."""
        groups = getattr(user, "groups", None)  # a middleware may make users who are not in the database
        return sorted(str(group.pk) for group in groups.all()) if groups else []

    def executions(self, user: Any) -> Q:
        return self._of_teams(user, Q(user=user.pk))

    def graphs(self, user: Any) -> Q:
        return self._of_teams(user, Q(owner=user.pk))

    def may_assign(self, user: Any, organization_id: str | None, team_id: str | None) -> bool:
        if organization_id is None and team_id is not None and team_id in self.teams(user):
            return True
        return super().may_assign(user, organization_id, team_id)

    def prepare(self, users: Sequence[Any]) -> None:
        for user in users:  # what an earlier check has read is old
            getattr(user, "_prefetched_objects_cache", {}).pop("groups", None)
        prefetch_related_objects([user for user in users if isinstance(user, get_user_model())], "groups")

    def check(self) -> Iterable[CheckMessage]:
        if type(self).teams is not TeamsOfGroups.teams:
            return
        user_model = get_user_model()
        try:
            user_model._meta.get_field("groups")
        except FieldDoesNotExist:
            yield Error(
                f'EXECUTIONS["ACCESS"] is {limits.ACCESS!r}, and {user_model._meta.label} has no groups.',
                hint="Add PermissionsMixin to the user model, or override teams() and prepare() in a subclass.",
                id="executions.E002",
            )

    def _of_teams(self, user: Any, condition: Q) -> Q:
        teams = self.teams(user)
        if len(teams) > MAX_PARTS:
            return condition | Q(team_id__in=teams)
        # A part for each team: PostgreSQL would sort all rows of a list, and scan the table for a subquery in an OR.
        for team_id in teams:
            condition |= Q(team_id=team_id)
        return condition


def policy() -> OwnersAndStaff:
    """The policy of the project, one object a process. Raises ImportError and what its class raises."""
    return _load(limits.ACCESS)


@cache
def _load(path: str) -> OwnersAndStaff:
    found: OwnersAndStaff = import_string(path)()
    return found
