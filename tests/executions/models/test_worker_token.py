"""The row of a worker's token."""

import pytest
from django.db import IntegrityError, transaction

from executions.models import WorkerToken


@pytest.mark.django_db
def test_two_tokens_in_use_cannot_have_one_name() -> None:
    token = WorkerToken.objects.create(name="press", digest="a")
    assert (str(token), token.runner) == ("press", "worker:press")
    with pytest.raises(IntegrityError), transaction.atomic():
        WorkerToken.objects.create(name="press", digest="b")
