"""Which sessions a person has. Django's own table does not know whose a session is."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from executions.fields import CharField

KEY_LENGTH = 64  # longer keys are those of the engine with signed cookies, which has nothing to end
BROWSER_LENGTH = 200


class UserSession(models.Model):
    """A session that a login began. `executions.web.sessions` writes and ends it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    session_key = models.CharField(max_length=KEY_LENGTH, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now, db_index=True)
    address = models.GenericIPAddressField(null=True)
    browser = CharField(max_length=BROWSER_LENGTH, blank=True)

    def __str__(self) -> str:
        return f"session {self.pk}"  # never the key, which opens it
