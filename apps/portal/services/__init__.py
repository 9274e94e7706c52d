"""Verbs of the portal: filters that members keep, what its doors put on record, proposals of staff."""

from apps.portal.services.entering import note_admin_entry
from apps.portal.services.filters import SHARE, delete_filter, save_filter
from apps.portal.services.proposals import approve, expire, propose, reject

__all__ = ["SHARE", "approve", "delete_filter", "expire", "note_admin_entry", "propose", "reject", "save_filter"]
