"""Errors that subscribers raise on purpose."""


class StoreAway(Exception):
    """The store that a subscriber writes to cannot take the events now.

    The relay waits `retry_after_s` seconds and tries the same events again, however often: nothing is parked, since
    the events are not at fault.
    """

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
