"""Identity in the admin."""

from apps.identity.admin import acting, people

__all__ = ["acting", "people"]
