"""The OpenAPI description of all operations."""

from config.api import api


def test_every_operation_has_a_complete_description() -> None:
    schema = api.get_openapi_schema(path_prefix="/api/")
    operations = [each for path in schema["paths"].values() for each in path.values()]
    assert len(operations) >= 28
    for each in operations:
        assert each["summary"], each["operationId"]
        assert each["description"], each["operationId"]
        assert {400, 401, 413} <= each["responses"].keys(), each["operationId"]
        assert each["security"], each["operationId"]
        if "requestBody" in each:
            (body,) = each["requestBody"]["content"].values()
            name = body["schema"]["$ref"].rsplit("/", 1)[1]
            assert schema["components"]["schemas"][name]["examples"], name
    assert len({each["operationId"] for each in operations}) == len(operations)
