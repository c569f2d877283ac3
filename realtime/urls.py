"""Paths below `/realtime/`."""

from django.urls import path

from realtime.http.views import status

urlpatterns = [path("status", status, name="realtime-status")]
