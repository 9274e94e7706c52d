"""Reads of policy: how tagged data is shown to a caller."""

from apps.policy.redaction import MASKED, shown_properties, shown_text, visibility

__all__ = ["MASKED", "shown_properties", "shown_text", "visibility"]
