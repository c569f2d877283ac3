"""The form and the admin of models with a status."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from executions.statuses import IllegalTransition, check_transition
from executions.web.formatting import values

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelForm = forms.ModelForm
    _ModelAdmin = admin.ModelAdmin


@cache
def shown(name: str) -> Callable[[Any], str]:
    """A column for `readonly_fields`: the JSON of the field with this name, cut. Django itself shows all of it."""

    @admin.display(description=name.replace("_", " "))
    def text_of(row: Any) -> str:
        (value,) = values({"": getattr(row, name)})
        return f"{value.text} {value.more}".strip()

    return text_of


class StatusForm(_ModelForm):
    """Writes only the edited fields, because workers write the same rows. Refuses a status that may not follow."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "status" in self.fields:
            # A field counts as edited if it differs from what the page showed, even if the row has changed since.
            self.fields["status"].show_hidden_initial = True
        # Only the edited nodes of a page with a hundred nodes are validated.
        self.empty_permitted = not self.instance._state.adding

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if "status" in self.changed_data and "status" in self.cleaned_data and not self.instance._state.adding:
            rows = type(self.instance)._base_manager.filter(pk=self.instance.pk)
            try:
                check_transition(rows.values_list("status", flat=True).get(), self.cleaned_data["status"])
            except IllegalTransition as error:
                self.add_error("status", str(error))
        return cleaned

    def save(self, commit: bool = True) -> Any:
        if commit and not self.instance._state.adding and not self.errors:
            self.instance.save(update_fields=self.changed_data)
            return self.instance
        return super().save(commit)


class StatusAdmin(_ModelAdmin):
    """The admin of a model with a status. While a change is saved its row is locked, so the check stays valid."""

    form = StatusForm
    show_full_result_count = False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found and request.method == "POST":
            return type(found)._base_manager.select_for_update(no_key=True).filter(pk=found.pk).first()
        return found

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.save(update_fields=form.changed_data) if change else obj.save()
