"""The settings of the project. DATABASE_PATH is the file of its SQLite database."""

import os

DEBUG = True
SECRET_KEY = JWT_KEY = "a-key-of-the-tests-which-is-as-long-as-it-has-to-be-1234567890"
JWT_ALGORITHM, JWT_AUDIENCE, JWT_ISSUER = "HS256", "", ""

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels",
    "realtime",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.realtime.without_executions.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DATABASE_PATH"],
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL;"},
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

REALTIME = {
    "STREAM_ACCESS": {"orders": "tests.realtime.without_executions.access.order_owner"},
    "RETENTION": {"orders": "30d"},
}
