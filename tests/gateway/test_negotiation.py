"""Media types: what is spoken, what is preferred, what is refused."""

import pytest

from apps.gateway.negotiation import MediaType, check_content, choose


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, MediaType.JSON),
        ("", MediaType.JSON),
        ("*/*", MediaType.JSON),
        ("application/*", MediaType.JSON),
        ("application/json", MediaType.JSON),
        ("application/graphql-response+json", MediaType.GRAPHQL),
        ("application/graphql-response+json, application/json", MediaType.GRAPHQL),
        ("application/json, application/graphql-response+json", MediaType.GRAPHQL),
        ("application/graphql-response+json;q=0.1, application/json", MediaType.JSON),
        ("application/graphql-response+json, */*;q=0.1", MediaType.GRAPHQL),
        ("application/json;q=0, */*", MediaType.GRAPHQL),
        ("APPLICATION/JSON", MediaType.JSON),
        ("application/graphql-response+json; charset=utf-8, application/json; charset=utf-8", MediaType.GRAPHQL),
        ("application/json; charset=iso-8859-1", None),
        ("text/html", None),
        ("text/event-stream", None),
        ("application/json;q=0", None),
        ("application/json;q=banana", None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", MediaType.JSON),
    ],
)
def test_accept(accept: str | None, chosen: MediaType | None) -> None:
    assert choose(accept) is chosen


@pytest.mark.parametrize(
    ("content_type", "encoding", "taken"),
    [
        ("application/json", None, True),
        ("application/json; charset=utf-8", None, True),
        ('application/json; charset="UTF-8"', None, True),
        ("Application/JSON", "identity", True),
        ("application/json; charset=latin-1", None, False),
        (None, None, False),
        ("text/plain;charset=UTF-8", None, False),
        ("application/x-www-form-urlencoded", None, False),
        ("application/json", "gzip", False),
        ("application/graphql", None, False),
    ],
)
def test_content(content_type: str | None, encoding: str | None, taken: bool) -> None:
    refused = check_content(content_type, encoding)
    assert (refused is None) is taken
    assert refused is None or refused.status == 415
