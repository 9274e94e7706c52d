"""Every component on one page, with sample content, for those who build pages. Embedded mode only."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.core import conf
from apps.portal import navigation
from apps.portal.tables import ListQuery, Table
from apps.portal.types import (
    Acting,
    Badge,
    Cell,
    Code,
    Column,
    Command,
    Empty,
    FieldChange,
    Filter,
    Meter,
    Option,
    Proof,
    ProofState,
    Provenance,
    Row,
    Shell,
    Stat,
    Step,
    TenantChoice,
    TimelineItem,
    Tone,
    Withheld,
    Work,
)

_HASH = "9f2c41d07be6a1853c09d4e2f7715ab0c6638de1f4429b7705d18ac3e6f0b214"
_COMMANDS = (Command("Verify it yourself", "ig-ledger verify export.jsonl --keys keys.json"),)


class SampleForm(forms.Form):
    """A form with every kind of field, one of them wrong."""

    name = forms.CharField(label="Name", help_text="As people in your tenant know it.", max_length=80)
    tier = forms.ChoiceField(
        label="Retention tier",
        choices=[("standard-365d", "Standard, 365 days"), ("long-1825d", "Long, 1,825 days")],
        widget=forms.Select,
    )
    days = forms.IntegerField(label="Keep for", min_value=1, max_value=1825, help_text="Counted from the last change.")
    note = forms.CharField(label="Reason", widget=forms.Textarea(attrs={"rows": 3}), required=False)
    notify = forms.BooleanField(label="Tell the owners", required=False)


def _table(request: HttpRequest, now: datetime, query: ListQuery, *, full: bool) -> Table:
    proof = Proof(ProofState.SEALED, _HASH, 1204, href="#proof")
    rows = (
        Row(
            "a",
            {
                "name": Cell("Sample organisation", href="#table"),
                "kind": Cell(badge=Badge("Company")),
                "id": Cell("7c1d0f", code=True),
                "edges": Cell("1,204"),
                "at": Cell(at=now - timedelta(minutes=3)),
                "proof": Cell(proof=proof),
            },
        ),
        Row(
            "b",
            {
                "name": Cell(
                    "A person whose name is long enough to need a second line on a narrow screen", href="#table"
                ),
                "kind": Cell(badge=Badge("Person")),
                "id": Cell("01f9aa", code=True),
                "edges": Cell("7"),
                "at": Cell(at=now - timedelta(days=2)),
                "proof": Cell(proof=Proof(ProofState.WAITING)),
            },
            fresh=True,
        ),
        Row(
            "c",
            {
                "name": Cell("Another sample", href="#table"),
                "kind": Cell(badge=Badge("Asset")),
                "id": Cell("d3b07e", code=True),
                "edges": Cell(
                    withheld=Withheld(
                        3,
                        "purpose",
                        ("owns", "employs"),
                        "Ask your data protection officer for the purpose fraud-risk.",
                    )
                ),
                "at": Cell(at=now - timedelta(days=400)),
                "proof": Cell(proof=Proof(ProofState.BROKEN, _HASH, 1201, href="#proof")),
            },
        ),
    )
    return Table(
        id="sample-table" if full else "sample-empty",
        caption="Sample entities",
        query=query,
        columns=(
            Column("name", "Name", sortable=True, matters=True, optional=False),
            Column("kind", "Kind", sortable=True, matters=True),
            Column("id", "External id", tight=True),
            Column("edges", "Edges", numeric=True),
            Column("at", "Changed", sortable=True, tight=True),
            Column("proof", "Proof", tight=True),
        ),
        rows=rows if full else (),
        empty=Empty(
            "No entity matches",
            "Nothing has this name and kind. Search for the beginning of a name.",
            "file-search",
            "Clear the search",
            query.path,
        ),
        filters=(
            Filter(
                "kind",
                "Kind",
                (Option("Company", "Company", 812), Option("Person", "Person", 390), Option("Asset", "Asset", 2)),
                query.filters.get("kind", ""),
            ),
        )
        if full
        else (),
        search_label="Search samples" if full else "Search nothing",
        search_hint="Name starts with",
        next_cursor="next" if full else "",
        total=1204 if full else 0,
        noun="sample",
        density=request.COOKIES.get("ig_density", "comfortable"),
    )


def _context(request: HttpRequest, now: datetime) -> dict[str, Any]:
    query = ListQuery.parse(request.path, request.GET.dict(), filters=("kind",), sorts=("name", "kind", "at"))
    form = SampleForm({"name": "Sample", "tier": "long-1825d", "days": "4000"})
    form.is_valid()
    proof = Proof(ProofState.SEALED, _HASH, 1204, href="#proof", download_href="#proof", commands=_COMMANDS)
    changes = (
        FieldChange("name", "Sample Ltd", "Sample Limited"),
        FieldChange("properties.country", None, "NO"),
        FieldChange("properties.tax id", "", "", withheld=True),
    )
    tenants = (
        TenantChoice("sample", "Sample tenant", "eu-west-1", True),
        TenantChoice("other", "Other tenant", "us-east-1"),
    )
    return {
        "shell": Shell(
            person="Sam Ple",
            email="sample@example.com",
            roles=("analyst", "auditor:tenant"),
            tenant=tenants[0],
            tenants=tenants,
            region="eu-west-1",
            purpose="investigation",
            search_href="#table",
            sections=navigation.sections_for(lambda action: True, "home", lambda name: f"#{name}"),
        ),
        "form": form,
        "table": _table(request, now, query, full=True),
        "empty_table": _table(request, now, query, full=False),
        "proofs": (
            proof,
            Proof(ProofState.WAITING),
            Proof(ProofState.BROKEN, _HASH, 1201, href="#proof", commands=_COMMANDS),
        ),
        "withheld": (
            Withheld(3, "purpose", ("owns", "employs"), "Ask your data protection officer for the purpose fraud-risk."),
            Withheld(1, "data class"),
        ),
        "origins": (
            Provenance(
                "sample feed",
                "CC BY 4.0",
                now - timedelta(hours=5),
                "ingest of Sam Ple",
                "Shown with the permission of its owner.",
            ),
            Provenance("manual"),
        ),
        "badges": tuple(
            Badge(tone.value, tone, icon)
            for tone, icon in zip(
                Tone,
                ("tag", "target", "circle-check", "triangle-alert", "circle-x", "info", "lock", "eye-off"),
                strict=True,
            )
        ),
        "roles": ("owner", "analyst", "auditor:tenant"),
        "stats": (
            Stat("Entities", "24,138", window="now", note="12 kinds", href="#stats", icon="waypoints"),
            Stat(
                "Changes",
                "1,204",
                window="last 24 h",
                icon="activity",
                points=(3, 5, 4, 9, 12, 8, 7, 15, 22, 18, 30, 26),
                points_about="Changes per 2 hours",
            ),
            Stat("Projection lag", "0", unit="events", window="now", note="caught up", icon="gauge"),
        ),
        "meters": (
            Meter("Live messages", 41_200, 100_000, "messages", "this month", 71_000),
            Meter("Stored entities", 91_000, 100_000, "entities", "now", 120_000),
            Meter("Exports", 20, 20, "exports", "today"),
        ),
        "bars": (("attack-pattern", 835, 100.0, "#bars"), ("malware", 690, 82.6, "#bars"), ("tool", 91, 10.9, "")),
        "facts": (("Status", "Active"), ("Home region", "eu-west-1"), ("Isolation tier", "mt")),
        "items": (
            TimelineItem(
                "Changed name and country", now - timedelta(minutes=3), "Sam Ple", "pencil", "version 4", proof, changes
            ),
            TimelineItem("Brought in", now - timedelta(days=30), "ingest", "import", "version 1", proof),
        ),
        "changes": changes,
        "lines": (
            ("same", "{"),
            ("was", '  "country": "SE",'),
            ("now", '  "country": "NO",'),
            ("same", '  "employees": 12'),
            ("same", "}"),
        ),
        "sample_acting": Acting(
            "Sample tenant", "#acting", "Ticket 4711: an import stands still", now + timedelta(minutes=24), False
        ),
        "work": Work(
            "Importing sample.json",
            (
                Step("Received", "done", "52.2 MB"),
                Step("Reading", "current", "18,400 of 24,138 objects"),
                Step("Numbered in the ledger", "todo"),
                Step("Shown in traversal", "todo"),
            ),
            76.2,
            "09:30:01 started\n09:30:02 batch 1: 5,000 created",
            "#work",
            "What was imported stays; the rest is not read.",
        ),
        "variants": (
            Code("curl", "curl https://example.com/graphql"),
            Code("Python", 'client.execute("{ me { name } }")'),
            Code("TypeScript", "await client.query(document)"),
        ),
    }


@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """Show all components. Answers 404 outside embedded mode."""
    if not conf.get().embedded:
        raise Http404
    return render(request, "portal/components.html", _context(request, datetime.now(UTC)))
