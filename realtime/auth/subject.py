"""Finds the user whom the `sub` of a token names."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist, ValidationError

MAX_LENGTH = 255


def find_user(subject: str, field: str) -> Any:
    """The user, active or not, whose unique `field` is spelt exactly so. None if there is none.

    Databases and fields are lenient: they find user 1 for "01", " 1 " and "１", and a name in other letters."""
    if not subject.isprintable() or len(subject) > MAX_LENGTH:
        return None
    try:
        user = get_user_model()._default_manager.get(**{field: subject})
    except (ObjectDoesNotExist, MultipleObjectsReturned, ValueError, OverflowError, ValidationError):
        return None
    return user if str(getattr(user, field)) == subject else None
