"""Rows of the bus: how far each subscriber is, and the events that it could not take."""

from typing import ClassVar

from django.db import models


class Cursor(models.Model):
    """The last position that a subscriber has applied, stored in the transaction of its effect."""

    subscriber = models.TextField(primary_key=True)
    position = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "bus_cursor"

    def __str__(self) -> str:
        return f"{self.subscriber} at {self.position}"


class Parked(models.Model):
    """An event that a subscriber refused N times, set aside so that the rest goes on."""

    class State(models.TextChoices):
        PARKED = "parked"
        REPLAYED = "replayed"
        DROPPED = "dropped"

    id = models.BigAutoField(primary_key=True)
    subscriber = models.TextField()
    position = models.BigIntegerField()
    event_tenant_id = models.UUIDField()
    number = models.BigIntegerField()
    type = models.TextField()
    error = models.TextField()
    tries = models.IntegerField()
    state = models.TextField(choices=State.choices, default=State.PARKED)
    parked_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "bus_parked"
        verbose_name_plural = "parked events"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["subscriber", "position"], name="bus_parked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.type} #{self.number} for {self.subscriber}"
