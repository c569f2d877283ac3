"""Worker tokens: their constraints and the prefix of their runner."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

import executions
from executions.leases import WORKER
from executions.models import WorkerToken


@pytest.mark.django_db
def test_the_scope_in_words_names_a_few(user: User) -> None:
    token = WorkerToken.objects.create(name="press", digest="a")
    assert token.scope == "users: none; graphs: none"
    token.users.set([User.objects.create_user(f"u{number}") for number in range(7)])
    token.all_graphs = True
    assert token.scope == "users: u0, u1, u2, u3, u4 and 2 more; their own graphs"
    token.all_users = True
    assert token.scope == "all"


@pytest.mark.django_db
def test_two_tokens_in_use_cannot_have_the_same_name() -> None:
    token = WorkerToken.objects.create(name="press", digest="a")
    assert (str(token), token.runner) == ("press", "worker:press")
    with pytest.raises(IntegrityError), transaction.atomic():
        WorkerToken.objects.create(name="press", digest="b")


def test_the_prefix_of_the_runner_of_a_worker_is_written_in_one_file() -> None:
    assert WorkerToken(name="press").runner == f"{WORKER}press"
    sources = Path(executions.__file__).parent.rglob("*.py")
    literals = {source.name for source in sources if re.search(rf"""f?["']{WORKER}(\{{|["'])""", source.read_text())}
    assert literals == {"worker_token.py"}
