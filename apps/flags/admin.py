"""Flags in the admin: what each is for whom, who uses it, its history; change, target, kill, restore, archive, try."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin import Outcome, PlatformAdmin, ReasonForm, Trail, Verb, filters, shown
from apps.core.clock import utc_now
from apps.core.context import Context
from apps.core.errors import NotFound
from apps.core.scope import PLATFORM_TENANT_ID
from apps.flags import admin_forms, registry, selectors, services
from apps.flags.events import CHANGES, FlagExpired, FlagWentStale
from apps.flags.models import Flag
from apps.flags.types import FlagType, Risk, Scope, State, Subject
from apps.tenants import selectors as tenants
from apps.tenants.types import TenantInfo

STATES = {
    State.LIVE: ("ok", "circle-check"),
    State.KILLED: ("danger", "ban"),
    State.ARCHIVED: ("neutral", "lock"),
}
RISKS = {Risk.LOW: "neutral", Risk.MEDIUM: "warn", Risk.HIGH: "danger"}


def _tenant(slug: str) -> TenantInfo:
    found = tenants.by_slug(slug.strip())
    if found is None:
        raise NotFound(f"there is no tenant {slug.strip()!r}"[:100], field="tenant", mend="Name it by its slug.")
    return found


def _create(ctx: Context, obj: None, answers: dict[str, Any]) -> Outcome:
    reason = answers.pop("reason")
    document = {name: value for name, value in answers.items() if value not in (None, "")}
    row = services.create_flag(ctx, document=document, reason=reason)
    return Outcome(f"Made the flag {row.key}.", row.pk)


def _change(ctx: Context, row: Flag, answers: dict[str, Any]) -> Outcome:
    reason, version = answers.pop("reason"), answers.pop("version")
    document = selectors.document_of(row)
    wanted = {**answers, "rules": answers["rules"] or []}
    changes = {name: value for name, value in wanted.items() if value != document[name]}
    services.change_flag(ctx, key=row.key, changes=changes, expected_version=version, reason=reason)
    return Outcome(f"Changed {row.key}.", row.pk)


def _target(ctx: Context, row: Flag, answers: dict[str, Any]) -> Outcome:
    tenant, variant = _tenant(answers["tenant"]), answers["variant"] or None
    services.target_tenant(
        ctx,
        key=row.key,
        tenant_id=tenant.id,
        variant=variant,
        expected_version=answers["version"],
        reason=answers["reason"],
    )
    return Outcome(f"{row.key} is {variant or 'as the rules decide'} for {tenant.slug} now.", row.pk)


def _kill(ctx: Context, row: Flag, answers: dict[str, Any]) -> Outcome:
    services.kill(ctx, key=row.key, reason=answers["reason"])
    return Outcome(f"{row.key} is killed. Every process serves its off variant within a second.", row.pk)


def _restore(ctx: Context, row: Flag, answers: dict[str, Any]) -> Outcome:
    services.restore(ctx, key=row.key, reason=answers["reason"])
    return Outcome(f"{row.key} is live again.", row.pk)


def _archive(ctx: Context, row: Flag, answers: dict[str, Any]) -> Outcome:
    services.archive(ctx, key=row.key, reason=answers["reason"])
    return Outcome(f"{row.key} is archived.", row.pk)


def _try(ctx: Context, row: Flag, answers: dict[str, Any]) -> Outcome:
    tenant = _tenant(answers["tenant"]) if answers["tenant"].strip() else None
    subject = Subject(
        tenant.id if tenant else None,
        tenant.slug if tenant else "",
        answers["region"].strip() or (tenant.home_region if tenant else ""),
        answers["targeting_key"],
        answers["attributes"],
    )
    found = selectors.tried(row.key, subject)
    who = tenant.slug if tenant else "nobody's tenant"
    if found.error is not None:
        return Outcome(f"Tried for {who}: {found.error}, {found.message}.", row.pk)
    return Outcome(f"Tried for {who}: {found.variant} = {found.value!r} ({found.reason}).", row.pk)


def _known(row: Flag) -> Mapping[str, Any]:
    document = selectors.document_of(row)
    rules = registry.as_yaml(document["rules"]) if document["rules"] else ""
    return {**document, "rules": rules, "version": row.version}


def _live_with_switch(row: Flag) -> str:
    if row.state != State.LIVE:
        return f"it is {row.state}"
    return "" if selectors.document_of(row)["killswitch"] else "it has no kill switch"


class LifeFilter(admin.SimpleListFilter):
    """Flags past their date."""

    title, parameter_name = "date", "date"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """What there is to choose from."""
        return [("past", "expired"), ("ahead", "not expired"), ("never", "meant to stay")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Flag]) -> QuerySet[Flag]:
        """Return the flags that were chosen."""
        today = utc_now().date()
        chosen: dict[str, dict[str, Any]] = {
            "past": {"expires__lt": today},
            "ahead": {"expires__gte": today},
            "never": {"expires": None},
        }
        return queryset.filter(**chosen[value]) if (value := self.value()) in chosen else queryset


@admin.register(Flag)
class FlagAdmin(PlatformAdmin):
    """The platform's flags."""

    noun, nouns = "flag", "flags"
    read_action = "platform.flag.read"
    about = "What is on for whom. Flags of the registry's file come with the code; changes here go before the file."
    empty = "No flag fits."
    keyset = "key"
    search_hint = "part of the key or of the owner"
    list_display = ("key", "state_mark", "type", "scope", "risk_mark", "owner", "expiry", "uses", "seen")
    list_matters = ("key", "state_mark")
    list_numeric = ("uses",)
    list_filter = (
        filters.choice("state", "state", [(one.value, one.value) for one in State]),
        filters.choice("risk", "risk", [(one.value, one.value) for one in Risk]),
        filters.choice("type", "type", [(one.value, one.value) for one in FlagType]),
        filters.choice("scope", "scope", [(one.value, one.value) for one in Scope]),
        LifeFilter,
    )
    detail = (
        ("Flag", ("key_copy", "purpose", "owner", "scope", "type", "risk_mark", "expiry", "origin")),
        ("State", ("state_mark", "state_reason", "version", "updated_at")),
        ("Serves", ("default", "off", "clients", "uses", "seen")),
        ("Variants", ("variants",)),
        ("Rules", ("rules",)),
    )
    verbs = (
        Verb(
            "create", "Make a flag", "platform.flag.manage", run=_create, icon="plus", form=admin_forms.NewFlagForm,
            creates=True, lead="Flags that our own code asks for belong into contracts/flags.yaml, beside it.",
        ),
        Verb("change", "Change", "platform.flag.manage", run=_change, icon="pencil", form=admin_forms.ChangeForm,
             initial=_known, consequences=lambda rows: ("Every process serves by it within a second.",)),
        Verb("target", "Set for a tenant", "platform.flag.manage", run=_target, icon="target",
             form=admin_forms.TargetForm, initial=_known,
             unfit=lambda row: "it is the same for all tenants" if row.scope == Scope.GLOBAL else "",
             consequences=lambda rows: ("It goes before all rules, and stands in the tenant's own ledger.",)),
        Verb("try", "Try it", "platform.flag.read", run=_try, icon="play", form=admin_forms.TryForm,
             lead="Says what the flag is for somebody. Nothing changes, and no use is counted."),
        Verb("kill", "Throw the kill switch", "platform.flag.kill", run=_kill, icon="ban", form=ReasonForm, danger=True,
             bulk=True, unfit=_live_with_switch,
             consequences=lambda rows: (
                 f"Everyone gets the off variant of {', '.join(row.key for row in rows)} within a second, whatever the rules say.",
                 "It can be put back at any time.",
             )),
        Verb("restore", "Restore", "platform.flag.kill", run=_restore, icon="rotate-ccw", form=ReasonForm, bulk=True,
             unfit=lambda row: "it is live" if row.state == State.LIVE else "",
             consequences=lambda rows: ("Its rules decide again, within a second.",)),
        Verb("archive", "Archive", "platform.flag.manage", run=_archive, icon="lock", form=ReasonForm, danger=True,
             unfit=lambda row: "it is declared in the file" if selectors.in_file(row.key)
             else "it is archived" if row.state == State.ARCHIVED else "",
             consequences=lambda rows: (
                 "Whoever asks for it gets their own default. Nothing is deleted; it can be restored.",
             )),
    )  # fmt: skip

    def prepare(self, request: HttpRequest, rows: Sequence[Flag]) -> None:
        """Read how the flags are used."""
        super().prepare(request, rows)
        used = selectors.use_of([row.key for row in rows])
        for row in rows:
            row.__dict__["ig_use"] = used.get(row.key, (0, None))

    def found(self, request: HttpRequest, rows: QuerySet[Flag], term: str) -> QuerySet[Flag]:
        """By a part of the key or the owner: flags are few."""
        return rows.filter(key__icontains=term) | rows.filter(owner__icontains=term)

    def trail(self, obj: Flag) -> Trail:
        """The platform's ledger tells of flags."""
        names = (*(event.name for event in CHANGES), FlagExpired.name, FlagWentStale.name)
        return Trail(PLATFORM_TENANT_ID, names, "key", obj.key)

    def panels(self, request: HttpRequest, obj: Flag) -> Sequence[shown.Panel]:
        """Tenants with a variant of their own, and who uses it."""
        used = selectors.use_by_tenant(obj.key)
        own = selectors.own_variants(obj)
        labels = self.roof.tenant_labels({*own, *(tenant for tenant, _, _ in used)})
        return (
            shown.Panel(
                "Tenants with a variant of their own", ("Tenant", "Variant"),
                [(labels.get(tenant, str(tenant)), variant) for tenant, variant in own.items()],
                "The rules decide for every tenant.",
            ),
            shown.Panel(
                "Who uses it", ("Tenant", "Evaluations", "Last"),
                [(labels.get(tenant, str(tenant)), number, seen) for tenant, number, seen in used],
                "Nobody has evaluated it so far.", "those who asked last",
            ),
        )  # fmt: skip

    @admin.display(description="state")
    def state_mark(self, obj: Flag) -> shown.Mark:
        """The state with its tone."""
        return (
            shown.Mark("not in the file", "neutral", "lock")
            if obj.absent
            else shown.Mark(obj.state, *STATES[State(obj.state)])
        )

    @admin.display(description="risk")
    def risk_mark(self, obj: Flag) -> shown.Mark:
        """The risk with its tone."""
        return shown.Mark(obj.risk, RISKS[Risk(obj.risk)])

    @admin.display(description="expires")
    def expiry(self, obj: Flag) -> shown.Shown:
        """Its date; past ones stand out."""
        if obj.expires is None:
            return shown.Text("never")
        past = obj.expires < utc_now().date()
        return shown.Mark(f"expired {obj.expires}", "warn", "clock") if past else shown.Text(str(obj.expires))

    @admin.display(description="evaluations")
    def uses(self, obj: Flag) -> int:
        """How often it was evaluated."""
        return int(obj.__dict__["ig_use"][0])

    @admin.display(description="last used")
    def seen(self, obj: Flag) -> Any:
        """When it was last evaluated."""
        return obj.__dict__["ig_use"][1]

    @admin.display(description="key")
    def key_copy(self, obj: Flag) -> shown.Copyable:
        """The key, to copy."""
        return shown.Copyable(obj.key, "key")

    @admin.display(description="what it does")
    def purpose(self, obj: Flag) -> str:
        """What it does."""
        return str(selectors.document_of(obj)["about"])

    @admin.display(description="from")
    def origin(self, obj: Flag) -> str:
        """Where it comes from."""
        if obj.declared is None:
            return "made here"
        return f"the file, with {', '.join(sorted(obj.own))} set here" if obj.own else "the file"

    @admin.display(description="default")
    def default(self, obj: Flag) -> str:
        """The variant for everyone whom no rule fits."""
        return str(selectors.document_of(obj)["default"])

    @admin.display(description="when killed")
    def off(self, obj: Flag) -> str:
        """The variant while the kill switch is thrown."""
        document = selectors.document_of(obj)
        return str(document["off"]) if document["killswitch"] else "no kill switch"

    @admin.display(description="variants")
    def variants(self, obj: Flag) -> shown.Document:
        """What it may serve."""
        return shown.Document(registry.as_yaml(dict(selectors.document_of(obj)["variants"])))

    @admin.display(description="rules")
    def rules(self, obj: Flag) -> shown.Shown:
        """Who gets what."""
        rules = selectors.document_of(obj)["rules"]
        return shown.Document(registry.as_yaml(rules)) if rules else shown.Text("none: everyone gets the default")

    @admin.display(description="clients may see it")
    def clients(self, obj: Flag) -> bool:
        """Whether OFREP and tenants' pages show it."""
        return bool(selectors.document_of(obj)["remote"])
