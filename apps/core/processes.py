"""What every long-lived process (web, worker, relay, scheduler) does before anything is counted in it.

Imports nothing that counts: `prometheus_client` decides when it is first imported whether processes share metrics.
"""

import os
import sys
from pathlib import Path

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(folder: Path) -> bool:
    """Let this process keep its metrics in `folder`, where `/metrics` of any web process finds them.

    A folder that the environment names already wins. Returns False, and changes nothing, when metrics were set up
    before (a test, a shell), or when the folder cannot be made: this process then counts for itself.
    """
    if "prometheus_client" in sys.modules:
        return FOLDER_VARIABLE in os.environ
    chosen = Path(os.environ.get(FOLDER_VARIABLE) or folder)
    try:
        chosen.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        os.environ.pop(FOLDER_VARIABLE, None)
        return False
    os.environ[FOLDER_VARIABLE] = str(chosen)
    return True


def shared_folder() -> Path | None:
    """Return the folder of shared metrics, or None when this process counts for itself."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else None
