"""Values that somebody with a link does not see."""

from typing import Any

import pytest

from executions.conf import DEFAULTS
from executions.masking import HIDDEN, masked

OUTPUTS: dict[str, list[Any]] = {
    "report": ["the password is in the text"],
    "API-Key": ["k", "k2"],
    "rows": [{"name": "Ada", "Password": "p", "nested": [{"access_token": {"a": 1}, "n": 1}]}, 7, None],
}


def test_values_under_names_of_secrets_are_hidden_at_any_depth() -> None:
    assert masked(OUTPUTS, DEFAULTS.SHARE_MASKED) == {
        "report": ["the password is in the text"],
        "API-Key": [HIDDEN],
        "rows": [{"name": "Ada", "Password": HIDDEN, "nested": [{"access_token": HIDDEN, "n": 1}]}, 7, None],
    }


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "DB_PASSWORD",
            "passwd",
            "client_secret",
            "Token",
            "api_key",
            "apiKey",
            "x-api-key",
            "privateKey",
        ),
        *("credentials", "Authorization", "Set-Cookie", "private_key\n"),
    ],
)
def test_usual_names_of_secrets(name: str) -> None:
    assert masked({name: ["s"]}, DEFAULTS.SHARE_MASKED) == {name: [HIDDEN]}


def test_a_star_hides_all_and_no_pattern_hides_nothing() -> None:
    assert masked(OUTPUTS, ("*",)) == {name: [HIDDEN] for name in OUTPUTS}
    assert masked(OUTPUTS, ()) == OUTPUTS
    assert masked({"a": [{"ß": 1}], "b": 3}, ("SS",)) == {"a": [{"ß": HIDDEN}], "b": 3}


def test_a_setting_of_one_text_is_one_pattern() -> None:
    assert masked({"report": ["r"], "x": ["y"]}, "rep*") == {"report": [HIDDEN], "x": ["y"]}  # type: ignore[arg-type]


def test_the_outputs_themselves_stay_as_they_are() -> None:
    nested = {"a": [{"token": "t"}]}
    masked(nested, ("*",))
    masked(nested, ("token",))
    assert nested == {"a": [{"token": "t"}]}
