"""Cut a stream of bytes into lines, bounded. Reads nothing itself."""

from p2pvault.errors import LimitExceeded
from p2pvault.limits import CONTROL_LINE_BYTES_MAX


class Lines:
    """What came in and is not yet a whole line."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes and return the lines they complete, without line feeds.

        Raises:
            LimitExceeded: A line grows beyond `CONTROL_LINE_BYTES_MAX`.
        """
        # Only the new bytes are searched: a long line in small pieces would cost its square.
        searched = len(self._rest)
        self._rest += data
        if self._rest.find(b"\n", searched) < 0:
            self._check(len(self._rest))
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        self._check(max(map(len, (*lines, rest))))
        return lines

    def _check(self, size: int) -> None:
        if size > CONTROL_LINE_BYTES_MAX:
            raise LimitExceeded(
                f"a line of more than {CONTROL_LINE_BYTES_MAX} bytes on the control socket"
            )
