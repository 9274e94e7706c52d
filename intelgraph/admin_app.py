"""Django's admin with our site in the place of its own."""

from django.contrib.admin.apps import AdminConfig


class AdminApp(AdminConfig):
    """The admin: `apps.portal.site` decides who may enter and in which scope its pages work."""

    default_site = "apps.portal.site.PlatformSite"
