"""The paths of realtime, and its HTTP API."""

from django.urls import include, path
from ninja import NinjaAPI

from realtime.http.api import make_router
from realtime.http.bearer import UserBearer

api = NinjaAPI(auth=UserBearer())
api.add_router("", make_router())

urlpatterns = [path("api/", api.urls), path("realtime/", include("realtime.urls"))]
