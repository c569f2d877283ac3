"""The URL patterns of the site."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.api import api
from executions.web.password_forms import AdminLoginForm

admin.site.login_form = AdminLoginForm

urlpatterns = [
    # The admin's own page checks the old password as often as somebody likes.
    path("admin/password_change/", RedirectView.as_view(pattern_name="password-change")),
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("realtime/", include("realtime.urls")),
    path("", include("executions.urls")),
]
