"""The settings, from the environment (12-factor). Without any variable they are the embedded default: SQLite, an
in-memory channel layer, DEBUG off, one machine, reached by its loopback names. README.md lists what production sets.

    SECRET_KEY            required when DEBUG is off and DATABASE_URL or REDIS_URL is set; else made, see secret_key.py
    DEBUG                 true | false; off by default. For development on one machine only: `make run` sets it
    ALLOWED_HOSTS         comma-separated; by default the loopback names
    DATABASE_URL          sqlite:///path | postgres://user:password@host/name
    DATABASE_POOL_SIZE    PostgreSQL connections of one process, at most
    REDIS_URL             redis://host:6379/0; several URLs, comma-separated, shard the channel layer
    CSRF_TRUSTED_ORIGINS  comma-separated, with scheme; they may also open WebSockets with a session cookie
    BEHIND_PROXY          true if a proxy ends TLS and sets X-Forwarded-Proto
    SECURE_COOKIES        true | false; with DEBUG off cookies go over HTTPS only, unless this is false
    HSTS_SECONDS          how long a browser remembers that the site is HTTPS only; 3600 with DEBUG off
    JWT_KEY, JWT_JWKS_URL   verify users' tokens; JWT_KEY is SECRET_KEY by default
    JWT_ALGORITHM, JWT_AUDIENCE, JWT_ISSUER, JWT_MAX_LIFETIME, JWT_USER_FIELD   see realtime/jwt_settings.py
    SESSION_IDLE_SECONDS  a session without a request for so long ends; 0, the default: none does
    ACCESS_POLICY         who may see which executions; executions.access_policies.TeamsOfGroups for teams
    METRICS_TOKEN         opens /metrics to Prometheus; without it only staff may read it
    LOG_LEVEL             of executions and realtime; INFO by default

An empty variable counts as not set. .env.example explains each variable.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import environ
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import checks, content_security, secret_key  # importing the checks registers them
from realtime.redis_connection import LongWaitConnection

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
if (BASE_DIR / ".env").exists():  # django-environ logs a missing file
    env.read_env(BASE_DIR / ".env")

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = secret_key.choose(
    env.str("SECRET_KEY", default=""),
    BASE_DIR,
    debug=DEBUG,
    embedded=not env.str("DATABASE_URL", default="") and not env.str("REDIS_URL", default=""),
)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or list(checks.LOOPBACK)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",  # before staticfiles, so that `runserver` serves WebSockets, too
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    *content_security.APPS,
    "ninja",  # for its local copy of the page at /api/docs, which the Content Security Policy allows
    "executions",
    "realtime",
]

MIDDLEWARE = [
    "config.release_body.ReleaseBody",
    "config.headers.add_headers",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",  # before those that answer without a view
    "whitenoise.middleware.WhiteNoiseMiddleware",
    content_security.MIDDLEWARE,
    "executions.api.middleware.ApiErrors",
    "config.form_cap.refuse_too_many_fields",
    "realtime.http.moved_sessions.follow_moved_sessions",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "executions.web.session_activity.note_activity",
    "django.contrib.messages.middleware.MessageMiddleware",
    "realtime.http.client_identity.remember_client",
    "config.logins.RefusedLogins",
    "config.shared_pages.SharedPages",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

_sqlite = f"sqlite:///{quote(str(BASE_DIR))}/runwire.sqlite3"
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(env.str("DATABASE_URL", default="") or _sqlite),
}
_database = DATABASES["default"]
# Under ASGI each HTTP request may run in another thread, so no thread keeps a connection.
_database["CONN_MAX_AGE"] = 0
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "timeout": 20,  # seconds that a writer waits for another writer
        "transaction_mode": "IMMEDIATE",  # wait for the lock at BEGIN; the first write would not wait
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    _database["OPTIONS"] = {
        "application_name": "runwire",  # in pg_stat_activity
        # If the database host disappears without closing its connections, Linux waits for a quarter of an hour. These
        # limits are shorter: connecting 5 s, unacknowledged data 30 s, waiting for an answer 40 s. Set a statement
        # timeout for the role (ALTER ROLE runwire SET statement_timeout): migrations use these settings, too.
        "connect_timeout": 5,
        "tcp_user_timeout": 30_000,  # milliseconds
        "keepalives_idle": 20,
        "keepalives_interval": 5,
        "keepalives_count": 4,
        **_database.get("OPTIONS", {}),  # the query of DATABASE_URL
        "pool": {
            "min_size": 0,
            "max_size": env.int("DATABASE_POOL_SIZE", default=20),
            "timeout": 10,  # seconds that a thread waits for a connection
            # Seconds after which a new series of attempts to connect begins. The pool doubles its wait after each
            # failure: with its default of 300 s it would not try for minutes after a long outage of the database.
            "reconnect_timeout": 10,
        },
    }
    # CONN_HEALTH_CHECKS stays off: with it the pool waits 1, 2, 4 … s between dead connections, and after a restart of
    # PostgreSQL all are dead. Instead, the first thread that finds a dead connection checks all (realtime/db.py).

# The log has every event, and an announcement only makes it arrive sooner. So the layer may lose messages. The pub/sub
# layer needs no Redis call for each socket.
_redis_urls = env.list("REDIS_URL", default=[])
CHANNEL_LAYERS: dict[str, dict[str, Any]] = (
    {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": url,
                        "connection_class": LongWaitConnection,
                        "socket_timeout": 5,
                        "socket_connect_timeout": 2,
                        "health_check_interval": 15,
                        "client_name": "runwire",  # in Redis' CLIENT LIST
                    }
                    for url in _redis_urls
                ]
            },
        }
    }
    if _redis_urls
    else {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}}
)

# The counters of throttling (realtime/budgets.py). Without Redis each process counts for itself.
CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
if _redis_urls:
    CACHES["throttling"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _redis_urls[:1],  # Django would only read from the others
        "OPTIONS": {
            "serializer": "realtime.budgets.Numbers",
            "socket_timeout": 0.25,  # a request waits once for so long, if Redis is away
            "socket_connect_timeout": 0.25,
            "retry": Retry(NoBackoff(), 0),  # redis-py would try for seconds
            "client_name": "runwire",
        },
    }

REALTIME: dict[str, Any] = {
    # realtime/conf.py has every limit and interval with its default and its reason. Values here override them.
    "ALLOWED_ORIGINS": CSRF_TRUSTED_ORIGINS,
    "METRICS_TOKEN": env.str("METRICS_TOKEN", default=""),
}

EXECUTIONS: dict[str, Any] = {
    # executions/conf.py, likewise
    "SESSION_IDLE_TIMEOUT": env.float("SESSION_IDLE_SECONDS", default=0.0),
    "ACCESS": env.str("ACCESS_POLICY", default="") or "executions.access_policies.OwnersAndStaff",
}

JWT_KEY = env.str("JWT_KEY", default="") or SECRET_KEY
# realtime/jwt_settings.py has the defaults.
JWT_JWKS_URL = env.str("JWT_JWKS_URL", default="")
JWT_ALGORITHM = env.str("JWT_ALGORITHM", default="")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", default="")
JWT_ISSUER = env.str("JWT_ISSUER", default="")
JWT_MAX_LIFETIME = env.int("JWT_MAX_LIFETIME", default=0)
JWT_USER_FIELD = env.str("JWT_USER_FIELD", default="")

AUTHENTICATION_BACKENDS = [
    "config.logins.FailedLogins",
    "config.demo_passwords.RefuseDemoPasswords",
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "execution-list"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Bounds the memory of uploads while they are read. Django bounds the other fields of a form at 2.5 MB.
FILE_UPLOAD_HANDLERS = ["executions.web.uploads.BoundedUploadHandler"]

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_AUTOREFRESH = DEBUG
# Static files come from the apps until `collectstatic` has put them into STATIC_ROOT.
WHITENOISE_USE_FINDERS = DEBUG or not (STATIC_ROOT / "staticfiles.json").exists()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.static_files.StaticFiles"
    },
}

globals().update(content_security.SETTINGS)  # SECURE_CSP or CONTENT_SECURITY_POLICY
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
if env.bool("BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if not DEBUG:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=True)
    SECURE_HSTS_SECONDS = env.int("HSTS_SECONDS", default=3600)
# The proxy that ends TLS redirects plain HTTP (W008). The owner of the domain decides about HSTS for its other hosts
# (W005, W021).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "()": "config.log_lines.SafeFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": []},  # its own handler would print each line twice with DEBUG
        **{name: {"level": env.str("LOG_LEVEL", default="INFO")} for name in ("executions", "realtime")},
    },
}
