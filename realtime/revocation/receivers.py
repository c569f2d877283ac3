"""Which change sends a notice, after its commit. A save that changes nothing of access costs nothing, or one query.

    logout                                   the user
    password, is_active, is_staff, …         the user; `save()` only, since `QuerySet.update()` sends no signal
    a deleted user                           the user
    groups and permissions of a user         the user
    permissions of a group, a deleted group  its users

What sends no signal is found by the check every RECHECK_INTERVAL: `QuerySet.update()`, raw SQL, deleted rows of
sessions. `realtime.publish.revoke` makes it immediate. Deleted sessions have no receiver here on purpose: with one,
`clearsessions` would load every row that it deletes.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from realtime.publishing.access_notices import notify_access_changed

FIELDS = ("password", "is_active", "is_staff", "is_superuser")
"""Of the user model, as far as it has them."""


def connect() -> None:
    """Connects the receivers to the user model of the project, as far as it has fields and groups."""
    user: Any = get_user_model()
    user_logged_out.connect(on_logout, dispatch_uid=on_logout.__name__)
    for signal, receiver in ((pre_save, before_user_saved), (post_save, on_user_saved), (post_delete, on_user_deleted)):
        signal.connect(receiver, sender=user, dispatch_uid=receiver.__name__)
    many_to_many = {field.name: field for field in user._meta.many_to_many}
    for name in ("groups", "user_permissions"):
        if name in many_to_many:
            through = many_to_many[name].remote_field.through
            m2m_changed.connect(on_users_linked, sender=through, dispatch_uid=f"{on_users_linked.__name__}.{name}")
    if "groups" in many_to_many and many_to_many["groups"].related_model is Group:
        through = Group.permissions.through
        m2m_changed.connect(on_permissions_linked, sender=through, dispatch_uid=on_permissions_linked.__name__)
        pre_delete.connect(before_group_deleted, sender=Group, dispatch_uid=before_group_deleted.__name__)


def on_logout(sender: Any, user: Any, **kwargs: Any) -> None:
    """Django deletes the session a moment after this signal. The processes look RECHECK_DELAY later."""
    if user is not None:
        notify_access_changed([user])


def before_user_saved(
    sender: Any, instance: Any, using: str, raw: bool, update_fields: Iterable[str] | None, **kwargs: Any
) -> None:
    """Finds out whether the save changes something of access. A login writes `last_login` only, and asks nothing."""
    written = _fields_of(sender, update_fields)
    before = None
    if written and instance.pk is not None and not raw:
        before = sender._base_manager.using(using).filter(pk=instance.pk).values(*written).first()
    instance._changes_access = before is not None and any(getattr(instance, name) != before[name] for name in written)


def on_user_saved(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    if instance.__dict__.pop("_changes_access", False):
        notify_access_changed([instance], using=using)


def on_user_deleted(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    notify_access_changed([instance], using=using)


def on_users_linked(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, using: str, **kwargs: Any
) -> None:
    """A user got or lost groups or permissions; with `reverse`, a group or permission got or lost users."""
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    if not reverse:
        notify_access_changed([instance], using=using)
    elif pk_set is not None:
        notify_access_changed(pk_set, using=using)
    else:
        notify_access_changed(instance.user_set.using(using).values_list("pk", flat=True), using=using)


def on_permissions_linked(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, using: str, **kwargs: Any
) -> None:
    """A group got or lost permissions; with `reverse`, a permission got or lost groups."""
    if action not in ("post_add", "post_remove", "pre_clear"):
        return
    groups = [instance.pk] if not reverse else pk_set
    if groups is None:
        groups = list(instance.group_set.using(using).values_list("pk", flat=True))
    _notify_members(groups, using)


def before_group_deleted(sender: Any, instance: Any, using: str, **kwargs: Any) -> None:
    _notify_members([instance.pk], using)


def _notify_members(groups: Iterable[Any], using: str) -> None:
    users = get_user_model()._base_manager.using(using).filter(groups__in=list(groups))
    notify_access_changed(users.values_list("pk", flat=True), using=using)


def _fields_of(model: Any, update_fields: Iterable[str] | None) -> list[str]:
    names = {field.name for field in model._meta.concrete_fields}.intersection(FIELDS)
    return sorted(names if update_fields is None else names.intersection(update_fields))
