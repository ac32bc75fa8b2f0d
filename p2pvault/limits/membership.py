"""Bounds of the membership."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

RETRY_S: Final = 5.0
"""Before membership operations that could not be written are tried again."""

DEVICES_MAX: Final = 64
"""Members of one vault, removed ones not counted: one person's devices, generously."""

OPERATIONS_MAX: Final = 10_000
"""Operations in the membership log, for ever. The last OPERATIONS_PER_AUTHOR_MAX are the recovery
key's: it has to be of use when a stolen admin device has filled the rest."""

OPERATIONS_BYTES_MAX: Final = 30 * MIB
"""Their bytes, so that a log with all epoch secrets fits into PAIRING_PACKAGE_BYTES_MAX. The last
OPERATIONS_PER_AUTHOR_BYTES_MAX are the recovery key's."""

OPERATION_BYTES_MAX: Final = 128 * KIB
"""One operation; an epoch with 64 sealed boxes of 1.2 KB is 75 KB."""

OPERATIONS_PER_AUTHOR_MAX: Final = 1_024
"""Operations by one device, forks included: one stolen device cannot fill the log with noise."""

OPERATIONS_PER_AUTHOR_BYTES_MAX: Final = 6 * MIB
"""Their bytes: 80 epochs of the largest vault, 500 of one with ten devices. Read, they take
about seven times as much memory at worst, which is what a bad peer may cost."""

OPERATIONS_RESERVED: Final = 2_000
"""The last part of the log is for removals: everything else is refused to the local writer
earlier, so honest devices that write at the same time never meet OPERATIONS_MAX."""

DEVICE_NAME_CHARACTERS_MAX: Final = 64
"""A device's or a vault's name, in characters after normalisation."""

DEVICE_KIND_CHARACTERS_MAX: Final = 16
"""A kind of device, one word such as `laptop`."""

GATE_EPOCHS_MAX: Final = 4
"""Epochs whose gate key a responder tries on a first message (four cost 97 us and no DH), and whose
names on the network it knows."""

GATE_EPOCHS_BESIDE: Final = 2
"""How many of these may have been started beside each other. Two admins at once are common; the
other two places are for what was before, which they share with whoever heard of none of them."""

EPOCHS_MAX: Final = 1_024
"""Epochs of a vault that devices still hand to each other: one a month for 85 years."""

OPERATIONS_PER_MESSAGE_MAX: Final = 1_024
"""Membership operations in one message."""

OPERATIONS_MESSAGE_BYTES_MAX: Final = 768 * KIB
"""Their bytes; with one operation of the largest size the message stays within its bound."""

HELD_MESSAGES_MAX: Final = 16
"""Messages of a peer kept until an operation admits it: it sends four, and operations."""

HELD_BYTES_MAX: Final = 512 * KIB
"""Their bytes: a greeting, all journals, all epochs and their secrets are some 340 KB."""

INTRODUCTIONS_MAX: Final = 2
"""Greetings, and likewise statements of what is known, that a peer may send on one link: one when
it links, and one KNOWN before, to ask. A greeting costs a commit, a KNOWN perhaps the whole log."""

DEVICE_PREFIX_DIGITS_MIN: Final = 4
"""Hexadecimal digits of a device id that may stand for it; fewer would meet names and chance."""
