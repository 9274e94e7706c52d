"""Pages for what went wrong: what is wrong, why, the next step, and the request id to quote.

They need no database and no session, so that they can be shown when either is away. Programs get problem details
(RFC 9457) instead.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.cache import add_never_cache_headers
from django.utils.http import escape_leading_slashes

from apps.core import problem
from apps.core.errors import IgError, RateLimited
from apps.core.ids import new_id
from apps.core.sockets import ACTIONS
from apps.portal import asking, csp

PROGRAM_PATHS = ("/api/", "/graphql", "/scim/", "/ofrep/", "/otlp/", "/metrics", "/healthz", "/readyz")
LOCKED_S = 15 * 60


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error page says."""

    status: int
    title: str
    text: str
    mend: str


TROUBLES: dict[int, Trouble] = {
    400: Trouble(
        400,
        "This request cannot be read",
        "Something in the address or the form is not what we expect.",
        "Go back, check what you entered, and send it again.",
    ),
    401: Trouble(
        401,
        "Confirm that it is you",
        "This needs a second factor from the last 15 minutes. Nothing was changed.",
        "Confirm, then do it again.",
    ),
    403: Trouble(
        403,
        "You may not open this",
        "Your role in this tenant does not include it.",
        "Ask an owner or admin of the tenant if you need it.",
    ),
    404: Trouble(
        404,
        "There is nothing here",
        "The address is wrong, the thing is gone, or it belongs to a tenant that you are not a member of.",
        "Check the address, or start from your home page.",
    ),
    405: Trouble(405, "This address does not do that", "It can be opened, but not sent to.", "Go back and try again."),
    409: Trouble(
        409,
        "This does not fit what stands now",
        "Something changed since you opened the page.",
        "Open the page again and repeat your change.",
    ),
    429: Trouble(
        429, "Too many requests", "This came in faster than your limits allow.", "Wait a moment, then try again."
    ),
    500: Trouble(
        500,
        "Something broke on our side",
        "We could not finish this. Nothing was half-written: a change is either in your ledger or it did not happen.",
        "Try again. If it stays, send us the request id.",
    ),
    503: Trouble(
        503, "A part of IntelGraph is away", "We cannot reach something that this page needs.", "Try again in a minute."
    ),
}


TITLES = {
    "account": "Your account is closed",
    "session": "Your session was ended",
    "device": "This device is not let in",
    "geography": "This place is not let in",
    "risk": "The risk of this session is too high",
}
"""What a page says on top when zero trust refuses the session, by the signal that decided."""


def request_id_of(request: HttpRequest) -> str:
    """Return the request's id: the one that the gateway gave it, else a new one that stays for this request."""
    known = getattr(request, "scope", {}).get("ig", {}).get("request_id", "") or getattr(request, "ig_request_id", "")
    if not known:
        known = str(new_id())
        request.ig_request_id = known  # type: ignore[attr-defined]
    return str(known)


def _answer(request: HttpRequest, trouble: Trouble, error: IgError | None = None) -> HttpResponse:
    request_id = request_id_of(request)
    if request.path.startswith(PROGRAM_PATHS):
        response: HttpResponse = JsonResponse(
            problem.plain(trouble.status, trouble.text, request_id=request_id, mend=trouble.mend),
            status=trouble.status,
            content_type=problem.MEDIA_TYPE,
        )
    else:
        theme = request.COOKIES.get("ig_theme", "")
        staff = hasattr(request, "ig_ctx")  # set once the admin has let its caller in: strangers are not told of it
        body = render_to_string(
            "errors/error.html",
            {
                "trouble": trouble,
                "request_id": request_id,
                "staff": staff,
                "home": reverse("admin:index") if staff else "/",
                "back": _came_from(request),
                "again": _again(request, trouble),
                "confirm": _confirm_href(request, error) if trouble.status == 401 else "",
                "decision": asking.decision_of(error.details) if error else "",
                "csp_nonce": csp.nonce_of(request),
                "theme": theme if theme in {"light", "dark"} else "",
            },
        )
        response = HttpResponse(body, status=trouble.status)
    add_never_cache_headers(response)
    return response


def refusal(request: HttpRequest, error: IgError) -> HttpResponse:
    """Return the page for an expected refusal, in its own words where it has some."""
    known = TROUBLES.get(error.status, TROUBLES[400])
    text = _sentence(_in_words(error))
    mend = _sentence(error.mend) if error.mend else known.mend
    wait_s = max(1, round(error.retry_after_s + 0.5)) if isinstance(error, RateLimited) else 0
    if wait_s:
        mend = f"Try again in {waiting(wait_s)}."
    response = _answer(
        request,
        Trouble(
            error.status,
            TITLES.get(str(error.details.get("signal", "")), known.title) if error.status == 403 else known.title,
            known.text if error.status == 404 else text,
            mend,
        ),
        error,
    )
    if wait_s:
        response["Retry-After"] = str(wait_s)
    return response


def _in_words(error: IgError) -> str:
    """Return the message of a refusal; one about an action says what the action is for, not what it is called."""
    action = str(error.details.get("action", ""))
    if error.status != 403 or action not in ACTIONS:
        return error.message
    return f"your role here does not let you {ACTIONS.get(action).about}"


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400."""
    return _answer(request, TROUBLES[400])


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler403."""
    return _answer(request, TROUBLES[403])


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404."""
    return _answer(request, TROUBLES[404])


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    return _answer(request, TROUBLES[500])


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The answer to a form whose token is missing or old (CSRF_FAILURE_VIEW)."""
    return _answer(
        request,
        Trouble(
            403,
            "This form is no longer valid",
            "It was opened too long ago, or cookies are switched off.",
            "Open the page again and repeat what you did. Allow cookies for this site.",
        ),
    )


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """The answer after too many failed sign-ins (AXES_LOCKOUT_CALLABLE). The same for known and unknown accounts."""
    answer = _answer(
        request,
        Trouble(
            429,
            "Too many failed sign-ins",
            "Sign-in with this address is closed from here for 15 minutes.",
            "Wait, then try again. If it was not you, tell your tenant’s owner.",
        ),
    )
    answer["Retry-After"] = str(LOCKED_S)
    return answer


def sentences(error: IgError) -> str:
    """Return what is wrong and how to mend it, for a form's field."""
    return f"{_sentence(error.message)} {_sentence(error.mend or '')}".strip()


def waiting(seconds: int) -> str:
    """Return how long to wait, in the unit that people would say: `8 seconds`, `15 minutes`."""
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{-(-seconds // 60)} minutes" if seconds < 7200 else f"{-(-seconds // 3600)} hours"


def _again(request: HttpRequest, trouble: Trouble) -> str:
    """Return the address that may well answer when it is asked once more, empty where it would not, or was sent to."""
    if request.method != "GET" or trouble.status not in {429, 500, 503}:
        return ""
    return escape_leading_slashes(request.get_full_path())  # two would name another host


def _came_from(request: HttpRequest) -> str:
    """Return the path of our own page that led here by a form (its Referer), empty when there was none."""
    if request.method in {"GET", "HEAD"}:
        return ""
    sent_from = urlsplit(request.headers.get("referer", ""))
    ours = sent_from.netloc == request.META.get("HTTP_HOST", "") and sent_from.path.startswith("/")
    return sent_from.path if ours and not sent_from.path.startswith("//") else ""


def _confirm_href(request: HttpRequest, error: IgError | None) -> str:
    safe = request.method in {"GET", "HEAD"}
    target = request.get_full_path() if safe else _came_from(request)
    return f"{reverse('portal:code')}?{urlencode({'next': target or '/', **asking.names_of(error)})}"


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}" if text else ""
