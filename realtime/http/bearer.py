"""A user's bearer token over HTTP. A bad token never falls back to the session cookie."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer

from realtime.auth.identity import CredentialsRefused, Identity, check_now, token_proof
from realtime.auth.jwt import API_SCOPE, SOCKET_SCOPE, BadToken, NoSubject, read_user
from realtime.conf import limits
from realtime.http.problem import HttpProblem

_HINT = "Get a new token. A worker's token and a token for sockets do not act as a user here."


class UserBearer(HttpBearer):
    """A JSON Web Token whose `sub` names the user, without a scope or with the scope `api`."""

    purpose = API_SCOPE
    openapi_bearerFormat = "JWT"  # noqa: N815 - a name of Ninja

    def __call__(self, request: HttpRequest) -> Any:
        if "Authorization" not in request.headers:
            return None
        user = super().__call__(request)
        if user is None:
            raise _unauthorized("The header Authorization must be `Bearer TOKEN`.", _HINT)
        return user

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        try:
            user, claims = read_user(token, self.purpose)
        except (BadToken, NoSubject):
            user = None
        if user is None or not user.is_active:
            raise _unauthorized("Invalid or expired token", _HINT)
        self.check_claims(request, user, claims)
        return user

    def check_claims(self, request: HttpRequest, user: Any, claims: dict[str, Any]) -> None:
        """Checks further claims. Raises HttpProblem."""


class SocketBearer(UserBearer):
    """A token for sockets that has not expired and that a page wants to renew. Sets `request.claims`."""

    purpose = SOCKET_SCOPE

    def check_claims(self, request: HttpRequest, user: Any, claims: dict[str, Any]) -> None:
        auth_time = claims.get("auth_time")
        if not isinstance(auth_time, int) or abs(_age(auth_time)) > limits.SOCKET_TOKEN_RENEWAL:
            raise _unauthorized("This token cannot be renewed any more.", "Log in again.")
        try:
            proof = token_proof(user, claims)
            is_proven = proof.session_key is None or isinstance(check_now(proof), Identity)
        except CredentialsRefused:
            is_proven = False
        if not is_proven:
            raise _unauthorized("The session of this token has ended.", "Log in again.")
        request.claims = claims  # type: ignore[attr-defined]


def _age(moment: int) -> int:
    """Seconds since `moment`, which is in seconds since 1970. It may have more digits than a float can hold."""
    return int(datetime.now(UTC).timestamp()) - moment


def _unauthorized(message: str, hint: str) -> HttpProblem:
    return HttpProblem(401, "unauthorized", message, hint=hint, headers={"WWW-Authenticate": "Bearer"})
