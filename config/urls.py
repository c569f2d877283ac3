"""The URL patterns of the site."""

from django.contrib import admin
from django.urls import include, path

from config.api import api

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/", api.urls),
    path("realtime/", include("realtime.urls")),
    path("", include("executions.urls")),
]
