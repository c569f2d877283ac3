"""The page that describes the API, in a real browser, under the policy that the site has."""


from django.test import Client


def test_the_description_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/api/docs")
    text = page.content.decode()
    assert page.status_code == 200
    assert "https://" not in text
    assert "unsafe-inline" not in page["Content-Security-Policy"]
    assert client.get("/api/openapi.json").json()["info"]["title"] == "Runwire"
