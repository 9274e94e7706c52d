"""Whether a stored SCRAM-SHA-256 verifier belongs to a password, so that unchanged passwords are not written again."""

import base64
import hashlib
import hmac


def matches(verifier: str | None, password: str) -> bool:
    """Return whether `verifier`, as in `pg_authid.rolpassword`, was made from `password`.

    Its form is `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, parts in base64 (RFC 5803); the keys are
    those of RFC 5802, section 3. `password` must be ASCII, which SASLprep leaves as it is.
    """
    if not verifier:
        return False
    try:
        scheme, costs, keys = verifier.split("$")
        iterations, salt = costs.split(":")
        stored_key = base64.b64decode(keys.split(":")[0], validate=True)
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode("ascii"), base64.b64decode(salt, validate=True), int(iterations)
        )
    except ValueError:
        return False
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return scheme == "SCRAM-SHA-256" and hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)
