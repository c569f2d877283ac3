"""What `manage.py serve` needs of executions."""

import pytest
from django.contrib.auth.models import User

from realtime.bridge.embedded import demo_accounts


@pytest.mark.django_db
def test_only_existing_demo_accounts_are_listed() -> None:
    assert demo_accounts() == []
    User.objects.create_user("ada")
    assert demo_accounts() == ["ada / ada"]
