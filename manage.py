#!/usr/bin/env python
"""The project's command line."""

import os
import sys


def main() -> None:
    """Run a management command; `up` is started without Django, since it brings up what Django's settings need."""
    if sys.argv[1:2] == ["up"]:
        from intelgraph.embedded.supervisor import main as up  # Django is not needed to start the services

        raise SystemExit(up(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "intelgraph.settings")
    if "VAR" in os.environ:
        os.environ.setdefault("IG_VAR", os.environ["VAR"])
    from intelgraph.embedded.addresses import adopt  # before Django reads the environment

    adopt(os.environ)  # a command typed beside `make run` works on its services
    if sys.argv[1:2] == ["relay"]:  # it stays, so its metrics belong on the page of all processes
        from apps.core import conf  # once the environment is whole
        from apps.core.processes import share_metrics

        share_metrics(conf.get().var / "metrics")
    from django.core.management import execute_from_command_line  # after the settings are named

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
