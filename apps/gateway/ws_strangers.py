"""Connections of those who have not said who they are: how many there may be, of one address and of all.

They take memory and descriptors before anyone can be asked for them, so they have their part of both and no more. Those who
have introduced themselves are not counted: theirs are bounded by quotas, and whatever strangers do they keep their place.
"""

import resource

MOST_OF_ONE = 8_000
MOST = 20_000


class Place:
    """A stranger's place, given back once."""

    __slots__ = ("_address", "_strangers")

    def __init__(self, strangers: "Strangers", address: str) -> None:
        self._strangers: Strangers | None = strangers
        self._address = address

    def leave(self) -> None:
        """Give it back."""
        strangers, self._strangers = self._strangers, None
        if strangers is not None:
            strangers.left(self._address)


class Strangers:
    """How many strangers there are in this process. All together take at most half of its descriptors, those of one address
    three quarters of that."""

    def __init__(self, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most = most if descriptors == resource.RLIM_INFINITY else min(most, descriptors // 2)
        self.most_of_one = min(most_of_one, self.most * 3 // 4)
        self.count = 0
        self._of: dict[str, int] = {}

    def take(self, address: str) -> Place | None:
        """Return a place for a connection from there, or None when there is none left."""
        of_it = self._of.get(address, 0)
        if self.count >= self.most or of_it >= self.most_of_one:
            return None
        self.count += 1
        self._of[address] = of_it + 1
        return Place(self, address)

    def left(self, address: str) -> None:
        """A place is free again."""
        self.count -= 1
        self._of[address] -= 1
        if not self._of[address]:
            del self._of[address]
