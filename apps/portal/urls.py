"""Addresses of the tenant portal."""

from django.urls import path

from apps.portal.views import account, front, gallery

app_name = "portal"

urlpatterns = [
    path("", front.root, name="root"),
    path("login/", account.sign_in, name="login"),
    path("login/code/", account.second_factor, name="code"),
    path("logout/", account.sign_out, name="logout"),
    path("robots.txt", front.robots, name="robots"),
    path(".well-known/security.txt", front.security_txt, name="security"),
    path("-/preferences/", front.preferences, name="preferences"),
    path("-/components/", gallery.components, name="components"),
]
