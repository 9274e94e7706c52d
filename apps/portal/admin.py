"""The admin's own log: what staff did here. The ledger holds the same acts for good; this is for reading quickly."""

from django.contrib import admin
from django.contrib.admin.models import ADDITION, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import PlatformAdmin, shown


@admin.register(LogEntry)
class LogEntryAdmin(PlatformAdmin):
    """Acts of staff."""

    noun, nouns = "act of staff", "acts of staff"
    read_action = "platform.log.read"
    about = "What staff did in the admin. Each act is in the ledger too, where it can be proved."
    empty = "Nobody has done anything here so far."
    list_select_related = ("user", "content_type")
    list_display = ("action_time", "who", "what", "on", "message")
    list_matters = ("who", "message")
    detail = (("Act", ("action_time", "who", "what", "on", "message")),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """Acts come with who did them and on what."""
        rows: QuerySet[LogEntry] = super().get_queryset(request)
        return rows.select_related("user", "content_type")

    @admin.display(description="who")
    def who(self, obj: LogEntry) -> str:
        """The member of staff."""
        return str(obj.user)

    @admin.display(description="what")
    def what(self, obj: LogEntry) -> shown.Mark:
        """Made or changed."""
        return (
            shown.Mark("made", "ok", "circle-plus")
            if obj.action_flag == ADDITION
            else shown.Mark("changed", "info", "pencil")
        )

    @admin.display(description="on")
    def on(self, obj: LogEntry) -> shown.Text:
        """The thing that it was done to."""
        return shown.Text(obj.object_repr, note=str(obj.content_type) if obj.content_type else "")

    @admin.display(description="how")
    def message(self, obj: LogEntry) -> str:
        """What happened, in a sentence."""
        return obj.get_change_message()
