"""JSON Web Tokens of users."""

import json
import time
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from realtime.auth.jwt import BadToken, NoSubject, issue_token, read_token

HOUR = timedelta(hours=1)
OTHER_KEY = "another-key-which-is-long-enough-for-all-of-these-algorithms-too"


def token(key: str = "", algorithm: str = "HS256", header: dict[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode(
        {"sub": "7", "exp": time.time() + 3600, **claims}, key or django_settings.JWT_KEY, algorithm, headers=header
    )


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_contains_the_id_of_its_user() -> None:
    assert read_token(issue_token(7, HOUR)) == "7"
    assert read_token(issue_token("a-uuid", HOUR)) == "a-uuid"


def test_a_token_is_bad_after_its_lifetime() -> None:
    with pytest.raises(BadToken):
        read_token(issue_token(7, timedelta(seconds=-1)))


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"exp": "never"}, id="an end that is no number"),
        pytest.param({"nbf": time.time() + 3600}, id="not yet valid"),
        pytest.param({"exp": None}, id="an end that is null"),
        pytest.param({"exp": float("inf")}, id="an end that is infinite"),
        pytest.param({"exp": str(int(time.time()) + 60)}, id="an end that is text"),
        pytest.param({"exp": True}, id="an end that is true"),
        pytest.param({"exp": time.time() + 90_000}, id="valid for longer than a day"),
        pytest.param({"iat": time.time() - 86_000, "exp": time.time() + 1_000}, id="issued long ago"),
        pytest.param({"iat": time.time() + 3600}, id="issued in the future"),
        pytest.param({"iat": "today"}, id="issued at no number"),
        pytest.param({"scope": "worker"}, id="a worker's"),
        pytest.param({"scope": ["socket"]}, id="a list of scopes"),
        pytest.param({"scope": None}, id="a scope that is null"),
        pytest.param({"scope": {"socket": True}}, id="an object of scopes"),
    ],
)
def test_a_token_for_another_time_or_purpose_is_bad(claims: dict[str, Any]) -> None:
    with pytest.raises(BadToken):
        read_token(token(**claims))


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda: token(key=OTHER_KEY), id="another key"),
        pytest.param(lambda: token(algorithm="HS384"), id="another algorithm"),
        pytest.param(lambda: f"{part({'alg': 'none', 'typ': 'JWT'})}.{part({'sub': '7'})}.", id="no algorithm"),
        pytest.param(lambda: f"{part({'alg': 'None'})}.{part({'sub': '7'})}.", id="no algorithm, spelt otherwise"),
        pytest.param(lambda: f"{part({})}.{part({'sub': '7'})}.", id="not a word of an algorithm"),
        pytest.param(lambda: token().rsplit(".", 1)[0] + ".", id="no signature"),
        pytest.param(lambda: token()[:-4], id="half a signature"),
        pytest.param(lambda: token() + "\n", id="a line end"),
        pytest.param(
            lambda: ".".join([token().split(".")[0], part({"sub": "8"}), token().split(".")[2]]), id="changed"
        ),
        pytest.param(lambda: "", id="nothing"),
        pytest.param(lambda: "..", id="dots"),
        pytest.param(lambda: "é.é.é", id="no ASCII"),
        pytest.param(lambda: "\ud800", id="a lone surrogate"),
        pytest.param(lambda: "\0", id="U+0000"),
        pytest.param(lambda: f"{part([])}.{part([])}.{part([])}", id="lists"),
    ],
)
def test_a_forged_or_broken_token_is_bad(forged: Any) -> None:
    with pytest.raises(BadToken):
        read_token(forged())


@pytest.mark.parametrize("subject", [None, 7, "", ["7"], {"id": "7"}, True])
def test_a_token_whose_subject_is_not_text_has_no_subject(subject: object) -> None:
    with pytest.raises(NoSubject):
        read_token(token(sub=subject))


def test_a_token_without_a_subject_is_refused() -> None:
    with pytest.raises(NoSubject):
        read_token(jwt.encode({"exp": time.time() + 60}, django_settings.JWT_KEY, "HS256"))


def test_a_token_without_an_end_is_bad() -> None:
    with pytest.raises(BadToken, match="exp"):
        read_token(jwt.encode({"sub": "7"}, django_settings.JWT_KEY, "HS256"))


def test_the_setting_bounds_the_lifetime(settings: Settings) -> None:
    settings.JWT_MAX_LIFETIME = 600
    assert read_token(token(exp=time.time() + 500)) == "7"
    with pytest.raises(BadToken, match="600 seconds"):
        read_token(token(exp=time.time() + 700))


def test_clocks_may_differ_a_little() -> None:
    now = time.time()
    assert read_token(token(exp=now - 10)) == "7"
    assert read_token(token(nbf=now + 10, iat=now + 10)) == "7"


def test_a_token_with_a_critical_extension_is_bad() -> None:
    for header in ({"crit": ["b64"], "b64": True}, {"crit": ["exp"]}, {"crit": []}):
        forged = f"{part({'alg': 'HS256', **header})}.{part({'sub': '7', 'exp': time.time() + 60})}"
        with pytest.raises(BadToken):
            read_token(f"{forged}.{part('signature')}")
    with pytest.raises(BadToken, match="extension"):
        read_token(token(header={"crit": ["b64"], "b64": True}))


@pytest.mark.parametrize("kid", ["", "../../etc/passwd", "x" * 500, "' OR 1=1"])
def test_the_name_of_a_key_does_not_matter_for_one_key(kid: str) -> None:
    assert read_token(token(header={"kid": kid})) == "7"


def test_the_settings_have_defaults(settings: Settings) -> None:
    for name in ("KEY", "ALGORITHM", "AUDIENCE", "ISSUER", "JWKS_URL", "MAX_LIFETIME", "USER_FIELD"):
        if hasattr(settings, f"JWT_{name}"):
            delattr(settings, f"JWT_{name}")
    assert read_token(token(key=settings.SECRET_KEY)) == "7"
    assert read_token(issue_token(7, HOUR)) == "7"


def test_the_setting_names_the_algorithm(settings: Settings) -> None:
    settings.JWT_ALGORITHM = "HS384"
    assert read_token(issue_token(7, HOUR)) == "7"
    with pytest.raises(BadToken):
        read_token(token(algorithm="HS256"))


def test_with_an_audience_only_tokens_for_it_are_valid(settings: Settings) -> None:
    settings.JWT_AUDIENCE = "sockets"
    assert read_token(issue_token(7, HOUR)) == "7"
    assert read_token(token(aud=["other", "sockets"])) == "7"
    for claims in ({}, {"aud": "other"}, {"aud": 5}):
        with pytest.raises(BadToken):
            read_token(token(**claims))


def test_with_an_issuer_only_its_tokens_are_valid(settings: Settings) -> None:
    settings.JWT_ISSUER = "us"
    assert read_token(issue_token(7, HOUR)) == "7"
    for claims in ({}, {"iss": "them"}):
        with pytest.raises(BadToken):
            read_token(token(**claims))


def test_without_the_setting_the_audience_of_a_token_is_ignored() -> None:
    assert read_token(token(aud="anybody", iss="anybody")) == "7"


def test_the_error_does_not_contain_the_token() -> None:
    bad = token(key=OTHER_KEY)
    with pytest.raises(BadToken) as refused:
        read_token(bad)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert bad not in str(refused.value)


@pytest.mark.parametrize("at", [0, 1], ids=["header", "claims"])
def test_a_token_that_nests_deep_is_bad(at: int) -> None:
    parts = [part({"alg": "HS256", "typ": "JWT"}), part({"sub": "7"}), "x"]
    parts[at] = urlsafe_b64encode(b"[" * 9_000).rstrip(b"=").decode()
    with pytest.raises(BadToken):
        read_token(".".join(parts))
    unsigned = jwt.PyJWS().encode(b"[" * 9_000, django_settings.JWT_KEY)
    with pytest.raises(BadToken):
        read_token(unsigned)


def test_a_long_token_is_bad_before_it_is_parsed() -> None:
    assert read_token(token(groups="x" * 8_000)) == "7"
    with pytest.raises(BadToken, match="16,384 bytes"):
        read_token(token(groups="x" * 16_384))
