"""Who belongs to the vault: a signed log, its evaluation, and the epochs that follow from it.

    bytes --decode--> Operation --add--> MembershipLog --evaluate--> Membership
                                              |
                       found, admit, revoke, rename, ... (write)

The log is a value: `add` and the writing functions return a new one, and the caller makes it
durable before it uses it. Evaluation is a pure function of the set of operations. Nothing here
knows links, journals' content or time; docs/protocol/membership.md is the specification.
"""

from p2pvault.protocol.membership.epoch import epoch_id, open_epochs
from p2pvault.protocol.membership.evaluate import evaluate
from p2pvault.protocol.membership.log import Addition, MembershipLog
from p2pvault.protocol.membership.operation import DeviceCard
from p2pvault.protocol.membership.recovery import (
    RECOVERY_SEED_BYTES,
    Decision,
    RecoveryKey,
    Successor,
    admit_by_key,
    check_key,
    recover,
    recover_anew,
)
from p2pvault.protocol.membership.state import (
    Epoch,
    Fallen,
    Member,
    Membership,
    Removal,
    Suspension,
)
from p2pvault.protocol.membership.write import (
    Author,
    Written,
    admit,
    change_role,
    found,
    reinstate,
    rename,
    revoke,
    start_epoch,
    state_accepted,
)

__all__ = [
    "RECOVERY_SEED_BYTES",
    "Addition",
    "Author",
    "Decision",
    "DeviceCard",
    "Epoch",
    "Fallen",
    "Member",
    "Membership",
    "MembershipLog",
    "RecoveryKey",
    "Removal",
    "Successor",
    "Suspension",
    "Written",
    "admit",
    "admit_by_key",
    "change_role",
    "check_key",
    "epoch_id",
    "evaluate",
    "found",
    "open_epochs",
    "recover",
    "recover_anew",
    "reinstate",
    "rename",
    "revoke",
    "start_epoch",
    "state_accepted",
]
