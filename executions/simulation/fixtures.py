"""Creates and deletes the accounts and graphs of simulations.

Marks identify the objects of simulations. Executions have the `runner` "simulation"; those that a worker reports have a
simulated graph and the `preset_id` "simulation". Graphs have a fixed description, and accounts an e-mail domain.
`clean_up` deletes these objects, and nothing that others have made or still use.
"""

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q

from executions.models import Graph, GraphExecution
from executions.simulation.timeline import Shape, graph_of

RUNNER = "simulation"
DESCRIPTION = "Made by `manage.py simulate`; its --cleanup takes it away again."
EMAIL_DOMAIN = "@simulation.invalid"

_BATCH = 200  # executions that are deleted in one transaction


def make_accounts(number: int) -> list[User]:
    """Accounts that cannot log in. Reuses those of an earlier simulation. Raises ValueError if an account of another
    origin has the name."""
    accounts = []
    for name in (f"simulated-{each}" for each in range(1, number + 1)):
        account, is_new = User.objects.get_or_create(
            username=name, defaults={"email": name + EMAIL_DOMAIN, "password": "!"}
        )
        if not is_new and account.email != name + EMAIL_DOMAIN:
            raise ValueError(f"There is an account {name} that no simulation has made.")
        accounts.append(account)
    return accounts


def make_graph(owner: User, shape: Shape, nodes: int) -> Graph:
    """The owner's graph of this shape and size. Reuses that of an earlier simulation."""
    definition = graph_of(shape, nodes).model_dump()
    name = f"Simulated {shape} of {nodes}"
    found = Graph.objects.filter(owner=owner, name=name, description=DESCRIPTION, **definition).first()
    return found or Graph.objects.create(owner=owner, name=name, description=DESCRIPTION, **definition)


def clean_up() -> dict[str, int]:
    """Deletes the objects of simulations, and returns how many. A graph with other executions stays, and so does an
    account that owns other objects."""
    counts = {"executions": 0, "graphs": 0, "accounts": 0}
    made = Q(runner=RUNNER) | Q(preset_id=RUNNER, graph__description=DESCRIPTION)
    while pks := list(GraphExecution.objects.filter(made).values_list("pk", flat=True)[:_BATCH]):
        with transaction.atomic():
            GraphExecution.objects.filter(pk__in=pks).delete()
        counts["executions"] += len(pks)
    for graph in Graph.objects.filter(description=DESCRIPTION, executions=None):
        graph.delete()
        counts["graphs"] += 1
    for account in User.objects.filter(
        email__endswith=EMAIL_DOMAIN, graphs=None, graph_executions=None, is_staff=False
    ):
        account.delete()
        counts["accounts"] += 1
    return counts
