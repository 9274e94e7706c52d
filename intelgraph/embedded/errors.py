"""What can keep the embedded services from running; each message is one line that says how to mend it."""


class EmbeddedError(Exception):
    """An embedded service cannot run; the message is for the person at the terminal."""


class AlreadyRunning(EmbeddedError):
    """Another copy uses the same folder."""


class ServiceFailed(EmbeddedError):
    """A server did not come up, or ended while it was starting."""
