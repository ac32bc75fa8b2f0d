"""Every error that P2PVault raises on purpose.

```
VaultError
├── ProtocolError                 the rules of a protocol were broken
│   ├── LocalProtocolError        by our own code: a bug
│   └── RemoteProtocolError       by the peer: ends that link, nothing else
│       ├── MalformedMessage      bytes that do not parse
│       ├── UnexpectedMessage     a good message at the wrong time
│       └── LimitExceeded         more than limits/ allows
├── AuthenticationError           the peer is not who it must be
│   ├── HandshakeFailed           wrong key, wrong vault, or bytes changed on the way
│   ├── UnknownDevice             keys that the membership log does not know
│   ├── RevokedDevice             keys that were removed from the vault
│   └── RunsTwice                 one device, from two copies of its store
│   └── SuspendedDevice           keys that signed two operations with one number
├── PairingError
│   ├── WrongCode                 the code, or the two words, did not match
│   ├── CodeExpired               the window closed, or too many guesses
│   ├── PairingRefused            the person or the other device said no
│   └── NoPairingDevice           nobody answers to this code on the network
├── MembershipError               an operation that the membership rules refuse
├── StoreError
│   ├── StoreInUse                another daemon has it open
│   ├── StoreCorrupt              its content does not check out
│   ├── StoreFull                 no room on the disk
│   ├── StoreUnwritable           read-only, or no permission
│   ├── SchemaTooNew              written by a newer version
│   └── KeyUnavailable            the key file is missing, unreadable or too open
├── CryptoError
│   └── SealBroken                a ciphertext or a signature does not verify
├── CrdtError                     the engine refused, or its state is not what was stored
│   ├── ChangeRefused             the pre-filter turned a change away
│   └── MissingChanges            a change builds on some that are not here
├── RequestError                  what the person asked for cannot be done
│   ├── BadPath                   not of the form COLLECTION/NAME
│   ├── BadValue                  a value that a record cannot hold
│   ├── BadCode                   text that is no pairing code and no pairing address
│   ├── BadRecoveryWords          text that is no recovery key
│   ├── NoRecoveryWords           this device does not keep the recovery key
│   ├── AmbiguousPath             several records have this path
│   ├── NoSuchRecord              none has
│   ├── NoSuchDevice              no member goes by that name or id
│   ├── Refused                   a rule of the vault says no
│   │   ├── NotKept               the collection is not kept on this device
│   │   └── OnlyHere              nobody is proved to hold what is to be forgotten
│   ├── NoVault                   this device has no vault yet
│   └── VaultExists               it has one already
├── Unreachable                   a device, or a deadline, was not reached
├── NameTaken                     an advertised name is in use by somebody else
├── DaemonUnreachable             no daemon answers on the control socket
└── ConfigError                   a setting that cannot be used
```

Class attributes carry what the command line needs: `code` is stable and goes into JSON, `hint`
says what to try, `exit_code` is documented in the README. They are attributes and not
docstrings, because docstrings vanish under `python -OO`. Bugs are `AssertionError`.
"""

from typing import ClassVar


class VaultError(Exception):
    """Base of every deliberate error. The message says what happened and why."""

    code: ClassVar[str] = "failed"
    exit_code: ClassVar[int] = 1
    hint: str = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class ProtocolError(VaultError):
    """The rules of a protocol were broken; raise one of the two kinds below."""

    code = "protocol"


class LocalProtocolError(ProtocolError):
    """Our own code used a protocol machine wrongly."""


class RemoteProtocolError(ProtocolError):
    """The peer broke the rules; its link ends and nothing else happens."""


class MalformedMessage(RemoteProtocolError):
    """Bytes from outside that do not parse."""

    code = "malformed"


class UnexpectedMessage(RemoteProtocolError):
    """A well-formed message that has no place in the present state."""

    code = "unexpected"


class LimitExceeded(RemoteProtocolError):
    """A size, count or rate above its bound in `limits`."""

    code = "limit"


class AuthenticationError(VaultError):
    """The peer is not who it has to be."""

    code = "authentication"
    exit_code = 8


class HandshakeFailed(AuthenticationError):
    """The handshake did not verify: other vault, other key, or changed bytes."""

    code = "handshake"


class UnknownDevice(AuthenticationError):
    """The peer's key is in no membership operation."""

    code = "unknown_device"


class RevokedDevice(AuthenticationError):
    """The peer was removed from the vault."""

    code = "revoked_device"
    hint = "To use this device again, pair it anew from a device that still has the vault."


class SuspendedDevice(AuthenticationError):
    """The peer, or this device, contradicted itself in the membership log."""

    code = "suspended_device"
    hint = (
        "An admin device lets it in again with `devices reinstate`, or removes it. Where there is "
        "no other admin, use the recovery key: `p2pvault recovery use`."
    )


class RunsTwice(AuthenticationError):
    """One device runs from two copies of its store."""

    code = "runs_twice"
    hint = "Stop one of the two, delete its home, and pair it anew."


class PairingError(VaultError):
    """Pairing ended without a new member."""

    code = "pairing"
    exit_code = 8


class WrongCode(PairingError):
    """The code or the two words did not match."""

    code = "wrong_code"
    hint = "Check the code on the other device; after three wrong ones it needs a new `pair`."


class CodeExpired(PairingError):
    """The code is no longer valid."""

    code = "code_expired"
    hint = "Run `pair` there again for a new code."


class PairingRefused(PairingError):
    """One of the two devices, or its owner, said no."""

    code = "pairing_refused"


class PairingBusy(PairingRefused):
    """The other device is pairing with somebody else just now."""

    code = "pairing_busy"
    hint = "Try again in a minute."


class NoPairingDevice(PairingError):
    """No device on the network is waiting with this code."""

    code = "no_pairing_device"
    exit_code = 7
    hint = (
        "Both devices must be on the same network, and `pair` must still be running on the other "
        "one. Where mDNS is blocked, use the p2pvault: address that it printed."
    )


class MembershipError(VaultError):
    """The membership rules refuse an operation."""

    code = "membership"
    exit_code = 8


class StoreError(VaultError):
    """The store cannot do its work."""

    code = "store"


class StoreInUse(StoreError):
    """Another process has the store open."""

    code = "store_in_use"
    exit_code = 8
    hint = "Another p2pvaultd runs with this home. Stop it, or choose another --home."


class StoreCorrupt(StoreError):
    """The content of the store does not check out."""

    code = "store_corrupt"
    hint = (
        "Do not delete anything. Stop the daemon and run `p2pvault verify --repair`. If that does "
        "not help, copy the directory aside and pair this device anew."
    )


class StoreFull(StoreError):
    """The disk has no room left; nothing of the batch was written."""

    code = "disk_full"
    hint = "Make room on the disk; the daemon goes on by itself."


class StoreUnwritable(StoreError):
    """The directory or the disk cannot be written to."""

    code = "store_unwritable"
    hint = "Check the owner and the mode of the directory, and that the disk is not read-only."


class SchemaTooNew(StoreError):
    """A newer version of P2PVault wrote this store."""

    code = "schema_too_new"
    exit_code = 8
    hint = "Update P2PVault on this device."


class KeyUnavailable(StoreError):
    """The key that opens the store is not to be had."""

    code = "locked"
    exit_code = 4
    hint = "The key file must exist, belong to you and have mode 0600."


class CryptoError(VaultError):
    """A cryptographic operation failed."""

    code = "crypto"


class SealBroken(CryptoError):
    """A ciphertext or a signature does not verify."""

    code = "seal_broken"


class CrdtError(VaultError):
    """The CRDT engine refused, or a loaded record is not what was stored."""

    code = "crdt"


class ChangeRefused(CrdtError):
    """The pre-filter turned a change away before the engine saw it."""

    code = "change_refused"


class MissingChanges(CrdtError):
    """A change builds on changes that the record here does not hold."""

    code = "missing_changes"


class RequestError(VaultError):
    """What the person asked for cannot be done as asked."""

    code = "request"
    exit_code = 2


class BadPath(RequestError):
    """A path that is not of the form COLLECTION/NAME."""

    code = "bad_path"
    hint = "A path is COLLECTION/NAME, for example contacts/ada."


class BadValue(RequestError):
    """A value that a record cannot hold."""

    code = "bad_value"


class BadCode(RequestError):
    """Text that is no pairing code and no pairing address."""

    code = "bad_code"
    hint = "A code looks like 42-lantern-tulip-violin; three letters of each word are enough."


class BadRecoveryWords(RequestError):
    """Text that is no recovery key."""

    code = "bad_recovery_words"
    hint = "Type the 24 words in their order; four letters of each are enough."


class NoRecoveryWords(RequestError):
    """The recovery key is not kept on this device."""

    code = "no_recovery_words"
    exit_code = 5
    hint = (
        "Only the device that made the vault keeps them, until `recovery forget` there. "
        "Look for the paper."
    )


class AmbiguousPath(RequestError):
    """Several records carry the same path."""

    code = "ambiguous_path"
    hint = "Name one of them by its id, for example id:0192f1."


class NoSuchRecord(RequestError):
    """No record has this path, id or field."""

    code = "not_found"
    exit_code = 5
    hint = "`p2pvault ls` shows what is there."


class NoSuchDevice(RequestError):
    """No member goes by this name or id."""

    code = "no_such_device"
    exit_code = 6
    hint = "`p2pvault devices` lists them."


class AmbiguousDevice(RequestError):
    """Several members go by this name, or have ids that begin so."""

    code = "ambiguous_device"
    exit_code = 6
    hint = "Name it by its id; `p2pvault devices` shows the ids."


class Refused(RequestError):
    """A rule of the vault says no."""

    code = "refused"
    exit_code = 8


class NotKept(Refused):
    """A collection that this device was told not to keep."""

    code = "not_kept"
    hint = "Turn it on with `p2pvault collections keep`."


class OnlyHere(Refused):
    """No other device is proved to hold all of a collection, so forgetting it might lose it."""

    code = "only_here"


class NoVault(RequestError):
    """This device has no vault yet."""

    code = "no_vault"
    exit_code = 5
    hint = "Make one with `p2pvault init`, or `p2pvault join` one from another device."


class VaultExists(RequestError):
    """This device has a vault already."""

    code = "vault_exists"
    exit_code = 8
    hint = "One home holds one vault. Use another --home for a second one."


class Unreachable(VaultError):
    """A device, or what was waited for, was not reached in time."""

    code = "unreachable"
    exit_code = 7


class NameTaken(VaultError):
    """An mDNS instance name is in use by somebody else; the caller tries the next one."""

    code = "name_taken"


class DaemonUnreachable(VaultError):
    """No daemon answers on the control socket."""

    code = "daemon_unreachable"
    exit_code = 3
    hint = "Start it with `p2pvaultd`, or `p2pvault daemon install` to have it always running."


class ConfigError(VaultError):
    """A setting that cannot be used."""

    code = "config"
    exit_code = 2
