"""Refusals of flags."""

from apps.core.errors import InvalidInput


class FlagInvalid(InvalidInput):
    """A definition cannot be taken; `field` is the path in it, such as `flags[2].rules[0].split`."""

    title = "Invalid flag"
