"""The pages of the admin: their URLs, forms, errors, messages and actions."""

from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:executions_{name}", args=args)


def change_url(row: Any) -> str:
    return url(f"{row._meta.model_name}_change", row.pk)


def form_of(admin: Client, row: Any) -> dict[str, Any]:
    """What a browser posts from the unedited page of a row."""
    response = admin.get(change_url(row))
    assert response.status_code == 200
    data: dict[str, Any] = {}
    forms = [response.context["adminform"].form]
    for formset in response.context["inline_admin_formsets"]:
        forms += [formset.formset.management_form, *formset.formset.forms]
    for form in forms:
        for field in form:
            value = field.value()
            data[field.html_name] = "" if value is None else value
            if field.field.show_hidden_initial:
                data[field.html_initial_name] = data[field.html_name]
    return data


def errors_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.context["errors"])


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def act(admin: Client, action: str, rows: list[Any], **data: Any) -> Any:
    return admin.post(
        url(f"{rows[0]._meta.model_name}_changelist"),
        {"action": action, "_selected_action": [str(row.pk) for row in rows], **data},
    )
