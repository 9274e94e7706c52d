"""Verbs of identity: accounts, members, keys, and who a request comes from."""

from apps.identity.services.factors import (
    apps_of,
    begin_app,
    enrol_second_factor,
    finish_app,
    has_second_factor,
    make_recovery_codes,
    pending_app,
    remove_app,
    use_recovery_code,
    verify_second_factor,
    ways_of,
)
from apps.identity.services.granting import grantable, require_grantable
from apps.identity.services.machines import (
    authenticate_token,
    create_api_key,
    flush_key_uses,
    revoke_api_key,
    rotate_api_key,
)
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
from apps.identity.services.sessions import end_member_sessions, end_other_sessions, end_session
from apps.identity.services.sign_in import account_hash, note_lock_out, note_refusal, note_sign_in, note_sign_out
from apps.identity.services.stepping_up import is_recent, require_recent
from apps.identity.services.tokens import audience_of, distrust_issuer, revoke_token, trust_issuer

__all__ = [
    "account_hash",
    "add_member",
    "apps_of",
    "audience_of",
    "authenticate_token",
    "begin_app",
    "begin_assertion",
    "begin_registration",
    "change_roles",
    "create_api_key",
    "create_user",
    "distrust_issuer",
    "end_member_sessions",
    "end_other_sessions",
    "end_session",
    "enrol_second_factor",
    "enter_as_member",
    "finish_app",
    "finish_assertion",
    "finish_registration",
    "flush_key_uses",
    "grantable",
    "has_second_factor",
    "is_recent",
    "make_recovery_codes",
    "note_lock_out",
    "note_refusal",
    "note_sign_in",
    "note_sign_out",
    "origins_for",
    "passkeys_of",
    "pending_app",
    "remove_app",
    "remove_member",
    "remove_passkey",
    "require_grantable",
    "require_recent",
    "revoke_api_key",
    "revoke_token",
    "rotate_api_key",
    "trust_issuer",
    "use_recovery_code",
    "verify_second_factor",
    "ways_of",
]
