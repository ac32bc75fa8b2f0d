"""Pairing: how a device that knows a short code becomes a member. docs/protocol/pairing.md.

Two machines without input or output, `Sponsor` on the device that holds the vault and `Joiner` on
the new one. They take bytes and people's answers and return effects. They do not find each other,
make codes, count guesses across sessions or write membership: others do, with what they return.
"""

from p2pvault.protocol.pairing.ceremony import fingerprint
from p2pvault.protocol.pairing.effects import (
    Admit,
    AskWords,
    ConfirmVault,
    Deadline,
    Effect,
    Failed,
    Hangup,
    Joining,
    Paired,
    Received,
    Send,
    ShowWords,
    VaultSummary,
)
from p2pvault.protocol.pairing.joiner import Joiner, Newcomer, Scanned, Typed
from p2pvault.protocol.pairing.messages import Reason
from p2pvault.protocol.pairing.session import refusal
from p2pvault.protocol.pairing.sponsor import Host, Shown, Sponsor

__all__ = [
    "Admit",
    "AskWords",
    "ConfirmVault",
    "Deadline",
    "Effect",
    "Failed",
    "Hangup",
    "Host",
    "Joiner",
    "Joining",
    "Newcomer",
    "Paired",
    "Reason",
    "Received",
    "Scanned",
    "Send",
    "ShowWords",
    "Shown",
    "Sponsor",
    "Typed",
    "VaultSummary",
    "fingerprint",
    "refusal",
]
