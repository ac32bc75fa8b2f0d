"""Local requests: each gets a number, and whoever made it waits for its answer."""

import itertools

import trio

from p2pvault.core import io
from p2pvault.errors import VaultError


class _Pending:
    """One request that waits."""

    def __init__(self) -> None:
        self.settled = trio.Event()
        self.outcome: io.Result | VaultError | None = None


class Requests:
    """All requests that wait for the core."""

    def __init__(self) -> None:
        self._serial = itertools.count(1)
        self._pending: dict[int, _Pending] = {}

    def number(self) -> int:
        """Return a number that no other request has."""
        return next(self._serial)

    def begin(self) -> int:
        """Begin to wait for an answer to a new request; return its number."""
        request = self.number()
        self._pending[request] = _Pending()
        return request

    async def wait(self, request: int) -> io.Result:
        """Wait for the answer; what is refused is raised."""
        pending = self._pending[request]
        try:
            await pending.settled.wait()
        finally:
            del self._pending[request]
        if isinstance(pending.outcome, VaultError):
            raise pending.outcome
        assert pending.outcome is not None, "a settled request has an outcome"
        return pending.outcome

    def settle(self, effect: io.Answer | io.Refuse) -> bool:
        """Pass on an outcome; return False when nobody waits for it."""
        pending = self._pending.get(effect.request)
        if pending is None:
            return False
        pending.outcome = effect.result if isinstance(effect, io.Answer) else effect.error
        pending.settled.set()
        return True
