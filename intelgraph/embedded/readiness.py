"""Whether the web process answers."""

import asyncio
import time
import urllib.error
import urllib.request
from collections.abc import Callable

TIMEOUT_S = 3.0
POLL_S = 0.1
# A proxy that the environment names is for other hosts.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def status_of(url: str) -> int | None:
    """Return the HTTP status of a GET, None when there is no answer."""
    try:
        with _OPENER.open(url, timeout=TIMEOUT_S) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def answers(status: int | None) -> bool:
    """Return whether somebody answered at all."""
    return status is not None


def is_ready(status: int | None) -> bool:
    """Return whether the answer says that requests are served."""
    return status == 200


async def wait_until(url: str, enough: Callable[[int | None], bool], *, limit_s: float = float("inf")) -> bool:
    """Ask `url` until the answer is `enough`, for `limit_s` seconds at most; return whether it came to be."""
    give_up = time.monotonic() + limit_s
    while time.monotonic() < give_up:
        if enough(await asyncio.to_thread(status_of, url)):
            return True
        await asyncio.sleep(POLL_S)
    return False
