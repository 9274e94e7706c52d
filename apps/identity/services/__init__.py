"""Verbs of identity: accounts, members, keys, and who a request comes from."""

from apps.identity.services.machines import authenticate_token, create_api_key, revoke_api_key
from apps.identity.services.members import add_member, change_roles, create_user, enter_as_member, remove_member
from apps.identity.services.passkeys import (
    begin_assertion,
    begin_registration,
    finish_assertion,
    finish_registration,
    origins_for,
    passkeys_of,
    remove_passkey,
)
from apps.identity.services.sign_in import (
    account_hash,
    enrol_second_factor,
    has_second_factor,
    note_refusal,
    note_sign_in,
    note_sign_out,
    verify_second_factor,
    ways_of,
)
from apps.identity.services.stepping_up import is_recent, require_recent

__all__ = [
    "account_hash",
    "add_member",
    "authenticate_token",
    "begin_assertion",
    "begin_registration",
    "change_roles",
    "create_api_key",
    "create_user",
    "enrol_second_factor",
    "enter_as_member",
    "finish_assertion",
    "finish_registration",
    "has_second_factor",
    "is_recent",
    "note_refusal",
    "note_sign_in",
    "note_sign_out",
    "origins_for",
    "passkeys_of",
    "remove_member",
    "remove_passkey",
    "require_recent",
    "revoke_api_key",
    "verify_second_factor",
    "ways_of",
]
