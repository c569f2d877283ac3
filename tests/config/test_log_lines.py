"""Text of users in the log."""

import logging
from logging import LogRecord

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

FORGED = "2026-01-01 00:00:00,000 CRITICAL realtime: all is lost"


def formatted(message: str, *args: object, exc_info: object = None, name: str = "realtime") -> str:
    options = dict(settings.LOGGING["formatters"]["plain"])
    formatter = import_string(options.pop("()"))(options["format"], style=options["style"])
    record = LogRecord(name, logging.WARNING, "f.py", 1, message, args, exc_info)  # type: ignore[arg-type]
    return str(formatter.format(record))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_text_cannot_forge_a_line(end: str) -> None:
    text = formatted("User %s is gone", f"ada{end}{FORGED}")
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())


def test_a_text_cannot_change_the_terminal() -> None:
    text = formatted("Path %s", "/\x1b[2J\x9b0m\x08\x7f\u202egnp.exe\u2066\0")
    assert text.isprintable()
    assert r"\x1b[2J\x9b0m\x08\x7f\u202egnp.exe\u2066\x00" in text


def test_a_traceback_is_readable_and_cannot_forge_a_line() -> None:
    try:
        raise ValueError(f"bad\n{FORGED}")
    except ValueError as error:
        text = formatted("It failed", exc_info=(type(error), error, error.__traceback__))
    first, *rest = text.split("\n")
    assert first.endswith("WARNING realtime: It failed")
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == f"    {FORGED}"


def test_letters_of_all_languages_stay() -> None:
    assert formatted("%s", "Zoë\t漢字 😀").endswith("Zoë\t漢字 😀")


def test_a_line_is_cut() -> None:
    text = formatted("Not Found: %s", "/" + "x" * 16_000)
    assert len(text) < 2_100
    assert text.endswith("… and 14054 more characters")


def test_what_django_refuses_for_its_security_has_one_line() -> None:
    """Anybody can send a foreign Host, as often as they like."""
    try:
        raise ValueError("Invalid HTTP_HOST header")
    except ValueError as error:
        text = formatted("Refused", exc_info=(type(error), error, None), name="django.security.DisallowedHost")
    assert text.endswith("django.security.DisallowedHost: Refused")


def test_the_token_in_the_path_of_a_shared_page_is_not_written() -> None:
    text = formatted("Not Found: %s", "/shared/a-token_of-twenty-two-/results/", name="django.request")
    assert text.endswith("Not Found: /shared/…/results/")
