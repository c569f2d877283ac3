"""The settings for each environment. Each test runs a new process in another folder, without the `.env` of this one."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
SECRETS = {
    "SECRET_KEY": "a-secret-key-of-the-tests-which-is-as-long-as-it-has-to-be-1234567890",
    "JWT_KEY": "a-token-key-of-the-tests-which-is-as-long-as-it-has-to-be",
}
PRODUCTION = dict(re.findall(r"^# ([A-Z_]+)=(.+)$", EXAMPLE, re.MULTILINE)) | SECRETS  # the last DEBUG counts
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]

AS_JSON = """
import json
from config import settings
print(json.dumps({name: value for name, value in vars(settings).items() if name.isupper()}, default=str))
"""


class Checkout:
    """A folder with a copy of `manage.py` and `config/`, which imports the apps of this checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, f"{folder}{os.pathsep}{ROOT}"
        shutil.copytree(ROOT / "config", folder / "config")
        shutil.copy(ROOT / "manage.py", folder)

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": self.path}
        return subprocess.run(
            [sys.executable, "-W", "error", *words],
            cwd=self.folder,
            env={**own, **environment},
            capture_output=True,
            text=True,
        )

    def settings(self, **environment: str) -> dict[str, Any]:
        result = self.run("-c", AS_JSON, **environment)
        assert result.returncode == 0, result.stderr
        settings: dict[str, Any] = json.loads(result.stdout)
        return settings


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_any_variable_the_settings_are_the_embedded_default(checkout: Checkout) -> None:
    settings = checkout.settings()
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == LOOPBACK
    assert settings["SECRET_KEY"] == (checkout.folder / ".secret-key").read_text().strip()
    assert settings["SESSION_COOKIE_SECURE"] is settings["CSRF_COOKIE_SECURE"] is True
    database = settings["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert database["NAME"] == str(checkout.folder / "runwire.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert settings["CHANNEL_LAYERS"]["default"]["BACKEND"] == "channels.layers.InMemoryChannelLayer"
    assert settings["REALTIME"]["ALLOWED_ORIGINS"] == []


def test_the_embedded_database_is_in_the_checkout_also_with_special_characters(tmp_path: Path) -> None:
    folder = tmp_path / "c++ #1 100%25?"
    assert Checkout(folder).settings()["DATABASES"]["default"]["NAME"] == str(folder / "runwire.sqlite3")


def test_empty_variables_count_as_not_set(checkout: Checkout) -> None:
    names = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "CSRF_TRUSTED_ORIGINS", "JWT_KEY", "JWT_AUDIENCE", "JWT_ISSUER"}
    empty = dict.fromkeys(names, "")
    assert checkout.settings(**empty) == checkout.settings()


@pytest.mark.parametrize("debug", ["", "true"])
def test_the_embedded_default_passes_all_checks(checkout: Checkout, debug: str) -> None:
    result = checkout.run("manage.py", "check", DEBUG=debug)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "System check identified no issues (0 silenced).\n"


@pytest.mark.parametrize(
    "elsewhere", [{"DATABASE_URL": "postgres://me@db/live"}, {"REDIS_URL": "redis://redis.internal"}]
)
def test_without_a_secret_key_other_machines_are_refused_with_the_cure(
    checkout: Checkout, elsewhere: dict[str, str]
) -> None:
    result = checkout.run("manage.py", "check", **elsewhere)
    assert result.returncode != 0
    assert result.stderr.splitlines()[-1].endswith("print(secrets.token_urlsafe(50))').")
    assert "SECRET_KEY is not set. With DEBUG off and DATABASE_URL or REDIS_URL set it must be" in result.stderr
    assert not (checkout.folder / ".secret-key").exists()
    assert checkout.settings(DEBUG="true", **elsewhere)["SECRET_KEY"]


@pytest.mark.parametrize("key", ["embedded-default-for-one-machine-and-debug-only-never-for-production", "short"])
def test_a_known_or_short_secret_key_is_refused(checkout: Checkout, key: str) -> None:
    result = checkout.run("manage.py", "check", SECRET_KEY=key)
    assert result.returncode != 0
    assert "ImproperlyConfigured: SECRET_KEY" in result.stderr.splitlines()[-1]


def test_the_production_settings_of_the_example_file_pass_all_checks(checkout: Checkout) -> None:
    """Static files are collected first. The database of the example does not answer, which is no warning."""
    assert checkout.run("manage.py", "collectstatic", "--no-input", **PRODUCTION).returncode == 0
    result = checkout.run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert result.returncode == 0, result.stderr
    assert ids_in(result.stderr) == {"config.I001"}


def ids_in(output: str) -> set[str]:
    return set(re.findall(r"\(((?:realtime|config|security)\.\w+)\)", output))


def test_the_embedded_default_is_no_production_and_the_checks_say_why(checkout: Checkout) -> None:
    """Each with its id and a hint: a loopback site, static files, one process, SQLite."""
    result = checkout.run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 1
    assert ids_in(result.stderr) == {"config.W001", "config.W003", "realtime.W001", "realtime.W002"}
    assert result.stderr.count("HINT:") >= 4


def test_the_checks_find_what_is_for_development_only(checkout: Checkout) -> None:
    """DEBUG (W018), cookies over HTTP (W012, W016), no HSTS (W004), a weak key (W009), demo accounts."""
    for command in (["migrate", "--verbosity", "0"], ["demo"]):
        assert checkout.run("manage.py", *command, DEBUG="true").returncode == 0
    found = ids_in(checkout.run("manage.py", "check", "--deploy", DEBUG="true", SECRET_KEY="a short key").stderr)
    assert found == {
        *(f"security.{each}" for each in ("W004", "W009", "W012", "W016", "W018")),
        *("config.W001", "config.W002"),
    }
    off = {**SECRETS, "SECURE_COOKIES": "false", "HSTS_SECONDS": "0"}
    found = ids_in(checkout.run("manage.py", "check", "--deploy", **off).stderr)
    assert {"security.W004", "security.W012", "security.W016", "config.W002"} <= found


def test_each_silenced_check_has_a_reason(checkout: Checkout) -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    for each in checkout.settings()["SILENCED_SYSTEM_CHECKS"]:
        assert source.count(each.partition(".")[2]) == 2, f"{each} has no comment"


def test_a_production_can_collect_its_static_files(checkout: Checkout) -> None:
    result = checkout.run("manage.py", "collectstatic", "--no-input", **PRODUCTION)
    assert result.returncode == 0, result.stderr
    assert (checkout.folder / "staticfiles" / "staticfiles.json").exists()


# Single variables


def test_a_database_url_names_a_postgres_with_a_pool(checkout: Checkout) -> None:
    settings = checkout.settings(
        DEBUG="true",
        DATABASE_URL="postgres://me:a%20word@db.internal:5433/live?sslmode=require",
        DATABASE_POOL_SIZE="7",
    )
    database = settings["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.internal", 5433, "live")
    assert (database["USER"], database["PASSWORD"]) == ("me", "a word")
    assert database["OPTIONS"]["sslmode"] == "require"
    assert database["OPTIONS"]["application_name"] == "runwire"
    assert database["OPTIONS"]["connect_timeout"] == 5
    assert database["OPTIONS"]["pool"]["reconnect_timeout"] == database["OPTIONS"]["pool"]["timeout"]
    assert database["OPTIONS"]["pool"]["max_size"] == 7
    assert database["CONN_MAX_AGE"] == 0


def test_the_query_of_a_database_url_overrides_options(checkout: Checkout) -> None:
    url = "postgres://me@db/live?connect_timeout=9&application_name=worker&DISABLE_SERVER_SIDE_CURSORS=True"
    database = checkout.settings(DATABASE_URL=url, **SECRETS)["DATABASES"]["default"]
    assert int(database["OPTIONS"]["connect_timeout"]) == 9
    assert database["OPTIONS"]["application_name"] == "worker"
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True


def test_a_database_url_names_a_sqlite_file_anywhere(checkout: Checkout) -> None:
    settings = checkout.settings(DATABASE_URL="sqlite:////var/lib/runwire/live.sqlite3", **SECRETS)
    database = settings["DATABASES"]["default"]
    assert database["NAME"] == "/var/lib/runwire/live.sqlite3"
    assert database["OPTIONS"]["timeout"] == 20


@pytest.mark.parametrize("urls", [["redis://one:6379/0"], ["redis://one:6379/0", "redis://two:6379/1"]])
def test_redis_urls_are_the_hosts_of_the_pubsub_layer(checkout: Checkout, urls: list[str]) -> None:
    layer = checkout.settings(REDIS_URL=",".join(urls), **SECRETS)["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert [host["address"] for host in layer["CONFIG"]["hosts"]] == urls
    assert all(host["socket_timeout"] and host["socket_connect_timeout"] for host in layer["CONFIG"]["hosts"])


def test_the_first_redis_counts_for_throttling(checkout: Checkout) -> None:
    settings = checkout.settings(REDIS_URL="redis://one:6379/0,redis://two:6379/1", **SECRETS)
    throttling = settings["CACHES"]["throttling"]
    assert throttling["LOCATION"] == ["redis://one:6379/0"]
    assert max(throttling["OPTIONS"]["socket_timeout"], throttling["OPTIONS"]["socket_connect_timeout"]) < 0.5
    assert "throttling" not in checkout.settings()["CACHES"]


def test_trusted_origins_may_post_forms_and_open_sockets(checkout: Checkout) -> None:
    settings = checkout.settings(CSRF_TRUSTED_ORIGINS="https://one.example.com,https://two.example.com:8443")
    origins = ["https://one.example.com", "https://two.example.com:8443"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == settings["REALTIME"]["ALLOWED_ORIGINS"] == origins


def test_allowed_hosts_are_a_list_and_by_default_the_loopback(checkout: Checkout) -> None:
    hosts = ["a.example.com", "b.example.com"]
    assert checkout.settings(ALLOWED_HOSTS=",".join(hosts))["ALLOWED_HOSTS"] == hosts
    for debug in ("true", "false"):
        assert checkout.settings(DEBUG=debug, **SECRETS)["ALLOWED_HOSTS"] == LOOPBACK


def test_the_forwarded_scheme_is_trusted_only_behind_a_proxy(checkout: Checkout) -> None:
    assert "SECURE_PROXY_SSL_HEADER" not in checkout.settings()
    assert checkout.settings(BEHIND_PROXY="true")["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]


def test_with_debug_off_cookies_need_https_and_hsts_is_on(checkout: Checkout) -> None:
    assert not {"SESSION_COOKIE_SECURE", "SECURE_HSTS_SECONDS"} & set(checkout.settings(DEBUG="true"))
    production = checkout.settings(**SECRETS)
    assert production["SESSION_COOKIE_SECURE"] is production["CSRF_COOKIE_SECURE"] is True
    assert production["SECURE_HSTS_SECONDS"] == 3600
    without_https = checkout.settings(DEBUG="false", SECURE_COOKIES="false", HSTS_SECONDS="0", **SECRETS)
    assert without_https["SESSION_COOKIE_SECURE"] is without_https["CSRF_COOKIE_SECURE"] is False
    assert without_https["SECURE_HSTS_SECONDS"] == 0


def test_the_token_key_is_the_secret_key_unless_it_is_set(checkout: Checkout) -> None:
    assert checkout.settings(SECRET_KEY=SECRETS["SECRET_KEY"])["JWT_KEY"] == SECRETS["SECRET_KEY"]
    settings = checkout.settings(**SECRETS, JWT_ALGORITHM="HS512", JWT_AUDIENCE="runwire", JWT_ISSUER="login")
    assert settings["JWT_KEY"] == SECRETS["JWT_KEY"]
    assert (settings["JWT_ALGORITHM"], settings["JWT_AUDIENCE"], settings["JWT_ISSUER"]) == (
        "HS512",
        "runwire",
        "login",
    )


def test_the_env_file_is_read_and_the_environment_overrides_it(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("ALLOWED_HOSTS=file.example.com\nLOG_LEVEL=ERROR\n")
    settings = checkout.settings(LOG_LEVEL="DEBUG")
    assert settings["ALLOWED_HOSTS"] == ["file.example.com"]
    assert settings["LOGGING"]["loggers"]["realtime"]["level"] == "DEBUG"


def test_the_unchanged_example_file_is_the_embedded_default(checkout: Checkout) -> None:
    default = checkout.settings()
    (checkout.folder / ".env").write_text(EXAMPLE)
    assert checkout.settings() == default


def test_the_example_file_and_the_docstring_name_all_variables() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    read = set(re.findall(r"env\.\w+\(\s*\"([A-Z_]+)\"", source))
    assert set(re.findall(r"^# ([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == read
    names = re.findall(r"^    ([A-Z_, ]+?)  ", source.split('"""')[1], re.MULTILINE)
    assert {name for line in names for name in line.split(", ")} == read
