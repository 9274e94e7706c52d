"""Verbs of identity: accounts, members, keys, and who a request comes from."""

from apps.identity.services.machines import authenticate_token, create_api_key, revoke_api_key
from apps.identity.services.members import add_member, change_roles, create_user, enter_as_member, remove_member
from apps.identity.services.sign_in import (
    account_hash,
    enrol_second_factor,
    has_second_factor,
    note_refusal,
    note_sign_in,
    note_sign_out,
    verify_second_factor,
)

__all__ = [
    "account_hash",
    "add_member",
    "authenticate_token",
    "change_roles",
    "create_api_key",
    "create_user",
    "enrol_second_factor",
    "enter_as_member",
    "has_second_factor",
    "note_refusal",
    "note_sign_in",
    "note_sign_out",
    "remove_member",
    "revoke_api_key",
    "verify_second_factor",
]
