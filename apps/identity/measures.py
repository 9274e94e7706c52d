"""Figures of identity."""

from prometheus_client import Counter

SIGN_INS = Counter("ig_identity_sign_ins_total", "Attempts to sign in or confirm.", ["outcome", "method"])
LOCK_OUTS = Counter("ig_identity_lock_outs_total", "Addresses closed to an origin after too many refusals.")
TOKENS = Counter("ig_identity_tokens_total", "Tokens of tenants' identity providers, by what came of them.", ["result"])
KEY_USES = Counter(
    "ig_identity_key_uses_total", "Writes of when API keys were used last: keys, or failures.", ["result"]
)
