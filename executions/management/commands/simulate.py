"""`manage.py simulate`: simulated runs, for demonstrations and load."""

import os
import signal
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import closing
from typing import Any, get_args

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from executions.models import Graph
from executions.simulation.fixtures import clean_up, make_accounts, make_graph
from executions.simulation.reporters import HttpReporter, Reporter, ServiceReporter
from executions.simulation.simulator import SimulationProgress, Simulator
from executions.simulation.timeline import MAX_NODES, MAX_PAYLOAD, Plan, Shape
from executions.simulation.worker_client import RequestRefused, ServerUnusable, WorkerClient


def _number(kind: type[int] | type[float], minimum: float, maximum: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = kind(text)
        if not minimum <= value <= maximum:  # also true for NaN
            raise ArgumentTypeError(f"it is {text}, and must be from {minimum:g} to {maximum:g}")
        return value

    return read


class Command(BaseCommand):
    help = (
        "Reports made-up runs as an engine would, until it has made --runs of them, until --seconds are over, or until "
        "Ctrl-C; its unfinished runs are then terminated. They go through the services, or, with --through http, to a "
        "running server as a worker's do; accounts and graphs are made in the database in either case."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        count = _number(int, 1, 10**9)
        add = parser.add_argument
        add(
            "--rate",
            type=_number(float, 0, 10_000),
            default=1.0,
            help="runs that begin a second; 0: as fast as it goes",
        )
        add("--runs", type=count, help="how many runs; without it and --seconds, until Ctrl-C")
        add("--seconds", type=_number(float, 0, 10**9), help="how long runs begin; those that have begun end")
        add("--graph", choices=get_args(Shape), default="layers", help="the shape of the graph")
        add("--nodes", type=_number(int, 1, MAX_NODES), default=7, help="nodes of a graph")
        add("--node-seconds", type=_number(float, 0, 3600), default=1.0, help="how long a node takes on average")
        add("--payload", type=_number(int, 0, MAX_PAYLOAD), default=1_000, help="bytes that a node puts out")
        add("--failures", type=_number(float, 0, 1), default=0.05, help="the share of runs that fail, from 0 to 1")
        add(
            "--users",
            type=_number(int, 1, 10_000),
            default=1,
            help="accounts to make for it; nobody can log in with them",
        )
        add("--user", action="append", metavar="NAME", help="an account that is there; may be repeated")
        add("--at-once", type=count, default=100, help="runs under way; the next one waits")
        add("--threads", type=_number(int, 1, 64), default=4, help="threads that report")
        add("--through", choices=("services", "http"), default="services", help="how they are reported")
        add("--url", help="with --through http: the server; else RUNWIRE_URL, else http://127.0.0.1:8000")
        add("--token", help="with --through http: of `manage.py tokens create`; better by RUNWIRE_TOKEN")
        add("--seed", type=int, help="for the same runs again")
        add("--cleanup", action="store_true", help="take away what simulations have made, and do nothing else")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["cleanup"]:
            counts = ", ".join(f"{number:,} {kind}" for kind, number in clean_up().items())
            self.stdout.write(f"Taken away: {counts}.")
            return
        with closing(self._reporter(options)) as reporter:
            owners = self._owners(options["user"], options["users"])
            graphs = [make_graph(owner, options["graph"], options["nodes"]) for owner in owners]
            plan = Plan(**{name: options[name] for name in Plan.__dataclass_fields__})
            self._watch(Simulator(plan, graphs, reporter))

    def _reporter(self, options: dict[str, Any]) -> Reporter:
        """The reporter for --through. Checks the server first, so that no graph is made in vain."""
        if options["through"] == "services":
            if unused := [name for name in ("url", "token") if options[name]]:
                raise CommandError(f"--{unused[0]} goes with --through http.")
            return ServiceReporter()
        token = options["token"] or os.environ.get("RUNWIRE_TOKEN")
        if not token:
            raise CommandError(
                "There is no token. Make one with `manage.py tokens create simulation`, and give it as RUNWIRE_TOKEN."
            )
        url = options["url"] or os.environ.get("RUNWIRE_URL") or "http://127.0.0.1:8000"
        try:
            client = WorkerClient(url, token)
            client.check()
        except (ValueError, ServerUnusable) as error:
            raise CommandError(str(error)) from None
        return HttpReporter(client)

    def _owners(self, names: list[str] | None, number: int) -> list[User]:
        if not names:
            try:
                return make_accounts(number)
            except ValueError as error:
                raise CommandError(str(error)) from None
        found = {user.username: user for user in User.objects.filter(username__in=names)}
        if missing := [name for name in names if name not in found]:
            raise CommandError(f"There is no account {', '.join(missing)}.")
        return [found[name] for name in names]

    def _watch(self, simulator: Simulator) -> None:
        # SIGTERM of a service manager acts like Ctrl-C.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        started_at = time.monotonic()
        try:
            simulator.start()
            while not simulator.wait(1):
                self.stdout.write(_line(simulator.progress, time.monotonic() - started_at))
                self.stdout.flush()
        except KeyboardInterrupt:
            self.stdout.write("Stopping: what is unfinished is terminated.")
        finally:
            self._close(simulator)
            signal.signal(signal.SIGTERM, before)
        self.stdout.write(_line(simulator.progress, time.monotonic() - started_at))

    def _close(self, simulator: Simulator) -> None:
        try:
            simulator.close()
        except Graph.DoesNotExist:
            raise CommandError("Somebody has deleted the graph meanwhile.") from None
        except ServerUnusable as error:
            raise CommandError(f"{error} Runs that were under way stay as they were.") from None
        except RequestRefused as refusal:
            if refusal.path in ("graph_id", "user_id"):  # this command has just made both
                raise CommandError(
                    f"The server has no such graph or account: {refusal} Either somebody has deleted it meanwhile, or "
                    "the server has another database. Give this command the DATABASE_URL of the server."
                ) from None
            raise CommandError(f"The server refuses a report: {refusal}") from None
        except DatabaseError as error:
            raise CommandError(f"The database failed. {error}") from error


def _line(progress: SimulationProgress, seconds: float) -> str:
    late = f", {progress.delay:.1f} s late" if progress.delay >= 0.5 else ""
    rate = progress.reports / max(seconds, 0.001)
    return (
        f"{seconds:6.0f} s: {progress.started:,} started, {progress.completed:,} completed, "
        f"{progress.failed:,} failed, {progress.abandoned:,} left; "
        f"{progress.reports:,} reports, {rate:,.0f} a second{late}"
    )
