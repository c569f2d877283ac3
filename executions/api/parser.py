"""Parses request bodies: JSON in UTF-8, of a bounded size, with storable values only. The code after the parser meets
no NaN, U+0000, lone surrogates, a thousand levels or a million values."""

from typing import Any, cast

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny

from executions.api.errors import Problem, too_large
from executions.bounded_json import NotJSON, TooManyValues, parse_json
from executions.conf import limits
from executions.storable import check_plain
from executions.validation import quoted

_NAME = "body"
_MAX_NAMED = 100  # fields of a body that are checked one by one, so that an error names the field


class JSONParser(Parser):
    """Raises Problem: 413 for a large body, 415 for another content type or encoding, 400 for invalid JSON, 422 for
    values that cannot be stored."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        if request.content_type != "application/json":
            raise Problem(
                415, "not_json", "The body must be JSON.", hint="Send the header Content-Type: application/json."
            )
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem(415, "not_json", "The body is compressed.", hint="Send it without Content-Encoding.")
        if len(request.body) > limits.MAX_BODY_BYTES:
            raise too_large(limits.MAX_BODY_BYTES)
        try:
            data = parse_json(request.body)
        except TooManyValues as error:
            raise Problem(413, "too_large", f"The body is too large. {error}", hint="Send it in parts.") from None
        except NotJSON as error:
            raise Problem(400, "not_json", f"The body is not JSON. {error}", hint="Check it with a linter.") from None
        _check(data)
        return cast(DictStrAny, data)


def _check(data: Any) -> None:
    """Raises UnstorableValue, with the name of the field where there are few."""
    if isinstance(data, dict) and len(data) <= _MAX_NAMED:
        check_plain("a field's name", list(data))
        for name, value in data.items():
            check_plain(quoted(name), value)
    elif isinstance(data, (dict, list)):  # the schema refuses a scalar body with a better message
        check_plain(_NAME, data)
