"""What simulations make, and how it is told from all else: executions by their `runner`, or, where that is a worker, by
their graph and their `preset_id`; graphs by their description, accounts by their address. `clean_up` takes these away,
and nothing that others have made or still use."""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from executions.models import Graph, GraphExecution
from executions.simulation.timeline import Shape, graph_of

RUNNER = "simulation"
DESCRIPTION = "Made by `manage.py simulate`; its --cleanup takes it away again."
ADDRESS = "@simulation.invalid"

_PART = 200  # executions that are deleted in one transaction


def make_accounts(number: int) -> list[User]:
    """So many accounts that nobody can log in with; those of an earlier simulation again. Raises ValueError where
    somebody else has the name."""
    accounts = []
    for name in (f"simulated-{each}" for each in range(1, number + 1)):
        account, is_new = User.objects.get_or_create(username=name, defaults={"email": name + ADDRESS, "password": "!"})
        if not is_new and account.email != name + ADDRESS:
            raise ValueError(f"There is an account {name} that no simulation has made.")
        accounts.append(account)
    return accounts


def make_graph(owner: User, shape: Shape, nodes: int) -> Graph:
    """The owner's graph of this shape and size; that of an earlier simulation again."""
    definition = graph_of(shape, nodes).model_dump()
    name = f"Simulated {shape} of {nodes}"
    found = Graph.objects.filter(owner=owner, name=name, description=DESCRIPTION, **definition).first()
    return found or Graph.objects.create(owner=owner, name=name, description=DESCRIPTION, **definition)


def clean_up() -> dict[str, int]:
    """Deletes what simulations have made, and how much of it there was. A graph that others have run and an account
    that owns something else stay."""
    counts = {"executions": 0, "graphs": 0, "accounts": 0}
    made = Q(runner=RUNNER) | Q(preset_id=RUNNER, graph__description=DESCRIPTION)
    while pks := list(GraphExecution.objects.filter(made).values_list("pk", flat=True)[:_PART]):
        with transaction.atomic():
            GraphExecution.objects.filter(pk__in=pks).delete()
        counts["executions"] += len(pks)
    for graph in Graph.objects.filter(description=DESCRIPTION, executions=None):
        graph.delete()
        counts["graphs"] += 1
    for account in User.objects.filter(email__endswith=ADDRESS, graphs=None, graph_executions=None, is_staff=False):
        account.delete()
        counts["accounts"] += 1
    return counts
