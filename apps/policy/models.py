"""Rows of policy: the log of decisions, fences, and what identity providers signal."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.policy.types import Outcome, SignalKind, Stage
from apps.tenants.base import TenantModel


class DecisionEntry(TenantModel):
    """A decision as it fell: what was asked, the facts that counted, the rules that matched. Never changed.

    `facts` is what the rules saw: roles, scopes and signals, no names, no addresses, no secrets. `share` is the part of
    such decisions that is logged (0.01: one of a hundred), so counts can be estimated.
    """

    app_rights: ClassVar[str] = "select"

    at = models.DateTimeField()
    stage = models.TextField(choices=[(s.value, s.value) for s in Stage])
    action = models.TextField()
    outcome = models.TextField(choices=[(o.value, o.value) for o in Outcome])
    rule = models.TextField()
    reason = models.TextField()
    hits = ArrayField(models.TextField(), default=list)
    facts = models.JSONField(default=dict)
    redact = models.JSONField(default=dict)
    actor = models.TextField()
    purpose = models.TextField(default="", blank=True)
    request_id = models.TextField(default="", blank=True)
    trace_id = models.TextField(default="", blank=True)
    revision = models.TextField()
    share = models.FloatField(default=1.0)

    class Meta:
        db_table = "policy_decision"
        verbose_name = "decision"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "-id"], name="policy_decision_recent"),
            models.Index(fields=["tenant", "actor", "-id"], name="policy_decision_actor"),
            models.Index(fields=["tenant", "request_id"], name="policy_decision_request"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} {self.action}"


class Fence(TenantModel):
    """The countries from which a tenant admits sessions of people. No row, or no country: all."""

    countries = ArrayField(models.TextField(), default=list, blank=True)
    version = models.IntegerField(default=1)
    changed_by = models.TextField()
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "policy_fence"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant"], name="policy_fence_once"),
        ]

    def __str__(self) -> str:
        return ", ".join(self.countries)


class SignalEntry(TenantModel):
    """What an identity provider told about someone in a security event token (RFC 8417). Never changed.

    `subject` is the actor's reference (`user:...`, `key:...`); the latest entry of a kind counts. `jti` is the token's
    id: one that came before is taken once.
    """

    app_rights: ClassVar[str] = "select, insert"

    subject = models.TextField()
    kind = models.TextField(choices=[(k.value, k.value) for k in SignalKind])
    value = models.TextField()
    at = models.DateTimeField()
    received_at = models.DateTimeField()
    issuer = models.TextField()
    jti = models.TextField()

    class Meta:
        db_table = "policy_signal"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["tenant", "issuer", "jti", "kind"], name="policy_signal_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["tenant", "subject", "kind", "-at"], name="policy_signal_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.value}"
