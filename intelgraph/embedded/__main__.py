"""`python -m intelgraph.embedded`: the same as `manage.py up`."""

import sys

from intelgraph.embedded.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
