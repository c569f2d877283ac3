"""The Content Security Policy of the site. Django sends it from version 6 on, django-csp on 5.2. Both send the same
header.

No page has an inline script or style, so the policy has no nonce.
"""

from collections.abc import Callable
from typing import Any

import django

SELF = "'self'"
NONE = "'none'"

Policy = dict[str, list[str]]
View = Callable[..., Any]

POLICY: Policy = {
    "default-src": [SELF],
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
    "frame-ancestors": [NONE],
}

APPS: list[str]
MIDDLEWARE: str
SETTINGS: dict[str, Any]
_policy_of_view: Callable[[Policy], Callable[[View], View]]

if django.VERSION >= (6, 0):
    from django.views.decorators.csp import csp_override

    APPS = []
    MIDDLEWARE = "django.middleware.csp.ContentSecurityPolicyMiddleware"
    SETTINGS = {"SECURE_CSP": POLICY}
    _policy_of_view = csp_override
else:
    from csp.decorators import csp

    APPS = ["csp"]
    MIDDLEWARE = "csp.middleware.CSPMiddleware"
    SETTINGS = {"CONTENT_SECURITY_POLICY": {"DIRECTIVES": POLICY}}
    _policy_of_view = csp


def also_allows(directives: Policy) -> Callable[[View], View]:
    """Decorates a view whose page needs more: `@also_allows({"img-src": [SELF, "data:"]})`. The directives replace
    those of the site with the same name."""
    return _policy_of_view(POLICY | directives)
