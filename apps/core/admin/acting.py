"""The pages of verbs: name the consequences, ask, do it, say what happened."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.core.admin.roof import Draft, context_of
from apps.core.admin.verbs import MOST_AT_ONCE, Outcome, Verb, VerbForm
from apps.core.context import Context
from apps.core.errors import Conflict, IgError

if TYPE_CHECKING:
    from apps.core.admin.base import PlatformAdmin

TYPED = "typed_name"


def begin(verb: Verb) -> Callable[..., HttpResponse]:
    """Return the change list's action that leads to the verb's page with the chosen rows."""

    def act(admin: "PlatformAdmin", request: HttpRequest, rows: Any) -> HttpResponse:
        keys = [quote(key) for key in rows.values_list("pk", flat=True)[: MOST_AT_ONCE + 1]]
        return HttpResponseRedirect(f"{_address(admin, verb)}?{urlencode({'id': keys}, doseq=True)}")

    return act


def _address(admin: "PlatformAdmin", verb: Verb) -> str:
    opts = admin.model._meta
    return reverse(f"{admin.roof.name}:{opts.app_label}_{opts.model_name}_do", args=[verb.name])


def _rows(admin: "PlatformAdmin", request: HttpRequest) -> list[Any]:
    """Return the rows that the address names. Raises Http404 when one of them is not there, or there are too many."""
    keys = list(dict.fromkeys(unquote(key) for key in request.GET.getlist("id")))
    if not keys or len(keys) > MOST_AT_ONCE:
        raise Http404
    try:
        found = list(admin.get_queryset(request).filter(pk__in=keys))
    except (ValidationError, ValueError):
        raise Http404 from None
    if len(found) != len(keys):
        raise Http404
    admin.prepare(request, found)
    return found


def answer(admin: "PlatformAdmin", request: HttpRequest, verb: Verb) -> HttpResponse:
    """Answer the address of a verb. Raises Forbidden, StepUpRequired, Http404."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    admin.roof.require(request, verb.action)
    rows = [] if verb.creates else _rows(admin, request)
    unfit = [(admin.label_of(row), why) for row in rows if (why := verb.unfit(row))]
    fit = [row for row in rows if not verb.unfit(row)]
    typed = verb.type_name(fit[0]) if verb.type_name and len(fit) == 1 else ""
    initial = dict(verb.initial(fit[0])) if len(fit) == 1 else {}
    form = verb.form(request.POST if request.method == "POST" else None, objects=fit, request=request, initial=initial)
    if typed:
        form.fields[TYPED] = forms.CharField(
            label=f"Type {typed} to confirm",
            strip=True,
            widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
        )
    status = 200
    if request.method == "POST" and (fit or verb.creates):
        if form.is_valid() and _typed_right(form, typed):
            done = _do(admin, request, verb, fit, form)
            if done is not None:
                return done
            status = 409
        else:
            status = 422
    context = {
        **admin.page_context(request, rows[0] if len(rows) == 1 else None),
        "title": verb.label,
        "verb": verb,
        "form": form,
        "fit": [admin.label_of(row) for row in fit],
        "unfit": unfit,
        "consequences": verb.consequences(fit) if fit or verb.creates else (),
        "back": _back(admin, rows),
    }
    return TemplateResponse(request, "admin/do.html", context, status=status)


def _typed_right(form: VerbForm, typed: str) -> bool:
    if typed and form.cleaned_data.get(TYPED) != typed:
        form.add_error(TYPED, f"Type {typed}, exactly so.")
        return False
    return True


def _back(admin: "PlatformAdmin", rows: Sequence[Any]) -> str:
    opts = admin.model._meta
    if len(rows) == 1:
        return reverse(f"{admin.roof.name}:{opts.app_label}_{opts.model_name}_change", args=[quote(rows[0].pk)])
    return reverse(f"{admin.roof.name}:{opts.app_label}_{opts.model_name}_changelist")


def _do(
    admin: "PlatformAdmin", request: HttpRequest, verb: Verb, rows: Sequence[Any], form: VerbForm
) -> HttpResponse | None:
    """Run the verb on each row, each in its own transaction. None when the only one was refused: the form says why."""
    if verb.checked:
        return _propose(admin, request, verb, rows[0] if rows else None, form)
    ctx = context_of(request)
    answers = {name: value for name, value in form.cleaned_data.items() if name != TYPED}
    if verb.creates or len(rows) == 1:
        row = rows[0] if rows else None
        try:
            outcome = verb.run(ctx, row, answers)
        except IgError as error:
            form.add_error(error.field if error.field in form.fields else None, _words(error))
            return None
        _note(admin, request, verb, row, outcome)
        messages.success(request, outcome.message)
        if outcome.pk is None:
            return HttpResponseRedirect(_back(admin, rows))
        opts = admin.model._meta
        return HttpResponseRedirect(
            reverse(f"{admin.roof.name}:{opts.app_label}_{opts.model_name}_change", args=[quote(outcome.pk)])
        )
    done = 0
    for row in rows:
        try:
            outcome = verb.run(ctx, row, answers)
        except IgError as error:
            messages.error(request, f"{admin.label_of(row)}: {_words(error)}")
            continue
        _note(admin, request, verb, row, outcome)
        done += 1
    if done:
        messages.success(request, f"{verb.label}: {done} of {len(rows)} done.")
    return HttpResponseRedirect(_back(admin, ()))


def _propose(admin: "PlatformAdmin", request: HttpRequest, verb: Verb, row: Any, form: VerbForm) -> HttpResponse | None:
    """Keep what was asked for as a proposal. None when it was refused: the form says why."""
    answers = {name: value for name, value in form.cleaned_data.items() if name != TYPED}
    try:
        changes = verb.compare(row, answers)
        if not changes:
            form.add_error(None, "This would change nothing.")
            return None
        address = admin.roof.propose(
            request,
            Draft(
                model=admin.model._meta.label_lower,
                verb=verb.name,
                label=verb.label,
                action=verb.action,
                key=str(row.pk) if row is not None else "",
                about=admin.label_of(row) if row is not None else "",
                tenant_id=verb.tenant_of(row, answers),
                answers={name: cast(QueryDict, form.data).getlist(name) for name in answers},
                changes=changes,
            ),
        )
    except IgError as error:
        form.add_error(error.field if error.field in form.fields else None, _words(error))
        return None
    messages.success(request, "Proposed. Nothing is changed until somebody else approves it.")
    return HttpResponseRedirect(address)


def run_again(admin: "PlatformAdmin", ctx: Context, verb: Verb, draft: Draft) -> Outcome:
    """Run a proposed verb now, if it still changes what was proposed. Raises Conflict, and the verb's own errors."""
    row = admin.model._default_manager.filter(pk=draft.key).first() if draft.key else None
    if draft.key and row is None:
        raise Conflict("what it is about is gone", mend="Reject it.")
    if row is not None and (why := verb.unfit(row)):
        raise Conflict(f"it cannot be applied any more: {why}", mend="Reject it.")
    data = QueryDict(mutable=True)
    for name, values in draft.answers.items():
        data.setlist(name, values)
    form = verb.form(data, objects=[row] if row is not None else [])
    if not form.is_valid():
        raise Conflict("what was entered is not valid any more", mend="Reject it, and propose it anew.")
    answers = dict(form.cleaned_data)
    if [tuple(one) for one in verb.compare(row, answers)] != [tuple(one) for one in draft.changes]:
        raise Conflict(
            "what it would change now is not what was proposed", mend="Reject it, and propose it anew from what stands."
        )
    return verb.run(ctx, row, answers)


def _note(admin: "PlatformAdmin", request: HttpRequest, verb: Verb, row: Any, outcome: Outcome) -> None:
    """Write the admin's log. What was made is read again: the verb returned its key only."""
    about = row if row is not None else admin.get_queryset(request).filter(pk=outcome.pk).first()
    if about is not None:
        if row is None:
            admin.prepare(request, [about])
        admin.log_done(request, about, outcome.message, created=row is None)


def _words(error: IgError) -> str:
    text = f"{error.message[:1].upper()}{error.message[1:]}"
    text = text if text.endswith((".", "?")) else f"{text}."
    return f"{text} {error.mend}" if error.mend else text
