"""Addresses of the whole product (see `docs/develop/addresses.md`)."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
