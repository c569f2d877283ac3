"""The constraints of stored answers."""

import pytest
from django.db import IntegrityError, transaction

from executions.models import IdempotentAnswer, WorkerToken


@pytest.mark.django_db
def test_a_token_has_one_answer_a_key_and_none_without_a_key() -> None:
    token = WorkerToken.objects.create(name="press", digest="a")
    assert str(IdempotentAnswer.objects.create(token=token, key="k")) == "k"
    for key in ("k", ""):
        with pytest.raises(IntegrityError), transaction.atomic():
            IdempotentAnswer.objects.create(token=token, key=key)
