"""All methods of one conversation."""

from p2pvault.control.schema import METHODS
from p2pvaultd.handlers.collections import CollectionHandlers
from p2pvaultd.handlers.devices import DeviceHandlers
from p2pvaultd.handlers.pairing import PairingHandlers
from p2pvaultd.handlers.quarantine import QuarantineHandlers
from p2pvaultd.handlers.records import RecordHandlers
from p2pvaultd.handlers.recovery import RecoveryHandlers
from p2pvaultd.handlers.state import StateHandlers
from p2pvaultd.handlers.verify import VerifyHandlers
from p2pvaultd.host import Host
from p2pvaultd.methods import Methods

_GROUPS = (
    StateHandlers,
    RecordHandlers,
    CollectionHandlers,
    DeviceHandlers,
    QuarantineHandlers,
    RecoveryHandlers,
    PairingHandlers,
    VerifyHandlers,
)


def methods_of(host: Host) -> Methods:
    """Make the method table of one connection; it has exactly the methods of the schema."""
    groups = [handlers(host).methods() for handlers in _GROUPS]
    calls = {name: call for group in groups for name, call in group.calls.items()}
    streams = {name: stream for group in groups for name, stream in group.streams.items()}
    assert calls.keys() | streams.keys() == METHODS.keys(), "the schema and the handlers differ"
    return Methods(calls, streams)
