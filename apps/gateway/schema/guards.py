"""Permission as data: each root field names the action that policy must allow before its body runs (stage 5)."""

import functools
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, TypeVar

from graphql import GraphQLResolveInfo

from apps.gateway.call import Call
from apps.policy import services as policy

R = TypeVar("R")
Resolver = Callable[..., Any]


def call_of(info: GraphQLResolveInfo) -> Call:
    """Return the operation's caller and workspace."""
    call = info.context
    if not isinstance(call, Call):
        raise TypeError("the operation was started without a Call")
    return call


def guarded(action: str) -> Callable[[Resolver], Resolver]:
    """Return a decorator that asks policy for `action` first. The action stands on the resolver as `.action`.

    The resolver raises Unauthenticated, StepUpRequired or Forbidden when policy refuses.
    """

    def wrap(resolver: Resolver) -> Resolver:
        @functools.wraps(resolver)
        def asked(root: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
            policy.require(call_of(info).ctx, action)
            return resolver(root, info, **arguments)

        asked.action = action  # type: ignore[attr-defined]
        return asked

    return wrap


async def settled(value: Awaitable[R] | R) -> R:
    """Return a value that may still be on its way."""
    return await value if isawaitable(value) else value
