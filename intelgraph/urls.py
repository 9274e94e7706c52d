"""Addresses that Django serves. GraphQL, health and metrics have doors of their own (see `asgi.py`)."""

from django.contrib import admin
from django.urls import include, path

from apps.gateway.ofrep import urls as ofrep_urls
from apps.gateway.rest.api import urls as rest_urls

urlpatterns = [
    path("admin/", admin.site.urls),
    *rest_urls(),
    *ofrep_urls(),
    path("", include("apps.portal.urls")),
]

handler400 = "apps.portal.errors.bad_request"
handler403 = "apps.portal.errors.permission_denied"
handler404 = "apps.portal.errors.not_found"
handler500 = "apps.portal.errors.server_error"
