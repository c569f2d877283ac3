"""Forms with too many fields are refused before they are parsed."""

import pytest
from django.test import Client
from pytest_django import Settings


@pytest.mark.parametrize(("fields", "status"), [(10, 200), (11, 400)])
@pytest.mark.django_db
def test_a_form_with_too_many_fields_is_refused(settings: Settings, fields: int, status: int) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10
    form = "&".join(["a=1"] * fields)
    response = Client().post("/login/", form, content_type="application/x-www-form-urlencoded")
    assert response.status_code == status
    if status == 400:
        assert response.content == b"The form has more than 10 fields.\n"
        assert response["Cache-Control"] == "no-store"
        assert not hasattr(response.wsgi_request, "_post")


@pytest.mark.django_db
def test_other_bodies_have_any_number_of_these_characters(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 10
    response = Client().post("/api/graphs", "&" * 100, content_type="application/json")
    assert response.status_code == 401


@pytest.mark.django_db
def test_no_cap_is_no_cap(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = None
    form = "&".join(["a=1"] * 2_000)
    assert Client().post("/login/", form, content_type="application/x-www-form-urlencoded").status_code == 200
