"""The routes of the pages, and of the fragments that a page loads again after a change."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from executions.web import account, sharing, views

urlpatterns = [
    path("login/", views.LoginPage.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("account/", account.account, name="account"),
    path("account/password/", account.PasswordPage.as_view(), name="password-change"),
    path("account/sessions/end-others/", account.end_other_sessions, name="end-other-sessions"),
    path("account/sessions/<int:session_id>/end/", account.end_session, name="end-session"),
    path("", views.execution_list, name="execution-list"),
    path("executions/rows/", views.execution_rows, name="execution-rows"),
    path("executions/start/", views.execution_start, name="execution-start"),
    path("executions/<str:execution_id>/", views.execution_detail, name="execution-detail"),
    path("executions/<str:execution_id>/results/", views.execution_results, name="execution-results"),
    path("executions/<str:execution_id>/terminate/", views.execution_terminate, name="execution-terminate"),
    path("executions/<str:execution_id>/share/", sharing.share, name="share-execution"),
    path("executions/<str:execution_id>/stop-sharing/", sharing.stop_sharing, name="stop-sharing"),
    path("shared/<str:token>/", sharing.shared_page, name="shared-page"),
    path("shared/<str:token>/results/", sharing.shared_results, name="shared-results"),
    path("executions/<str:execution_id>/nodes/<str:node_execution_id>/", views.node_data, name="node-data"),
    path("notifications/", views.notification_panel, name="notification-panel"),
    path("notifications/read/", views.notification_read, name="notification-read"),
]
