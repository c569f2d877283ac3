"""Paths below `/realtime/`."""

from django.urls import path

from realtime.views import status

urlpatterns = [path("status", status, name="realtime-status")]
