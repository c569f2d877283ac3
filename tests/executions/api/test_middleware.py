"""Django's own error answers below `/api/` have the shape of the API."""

from tests.executions.api.conftest import ApiClient, refused


def test_error_answers_of_django_have_the_same_shape(person: ApiClient) -> None:
    assert refused(person.get("/nowhere"), 404)["code"] == "not_found"
    assert refused(person.get("/"), 404)["code"] == "not_found"
    answer = person.send("PATCH", "/graphs")
    assert refused(answer, 405)["code"] == "method_not_allowed"
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}
    assert refused(person.client.get("/api/graphs", HTTP_HOST="evil.example"), 400)["code"] == "bad_request"


def test_error_pages_outside_the_api_stay_html(person: ApiClient) -> None:
    assert person.client.get("/nowhere")["Content-Type"].startswith("text/html")
