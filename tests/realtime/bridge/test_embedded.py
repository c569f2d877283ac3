"""What `manage.py serve` knows of executions."""

import pytest
from django.contrib.auth.models import User

from realtime.bridge.embedded import demo_accounts


@pytest.mark.django_db
def test_only_the_accounts_that_are_there_are_named() -> None:
    assert demo_accounts() == []
    User.objects.create_user("ada")
    assert demo_accounts() == ["ada / ada"]
