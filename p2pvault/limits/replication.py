"""Bounds of replication: what is in flight, forks, snapshots."""

from typing import Final

from p2pvault.limits.units import KIB, MIB

JOURNALS_MAX: Final = 4_096
"""Journals in one vault: 64 devices with 64 store instances each; a HAVE of all is 230 KB."""

JOURNALS_PER_DEVICE_MAX: Final = 64
"""Journals that one device ever wrote in: one more after each time that its store was restored or
copied. A machine whose files change their inode numbers at every mount would use one a mount."""

JOURNAL_ENTRIES_MAX: Final = 2**63 - 2
"""Entries of one journal, which their numbers count: the store can also be asked for the one behind
the last, as its integers end at 2^63 - 1."""

JOURNALS_ON_WORD_MAX: Final = 32
"""Journals beyond which a device draws another one only on proof that its store was rolled back:
half of all, so that no peer can use up the rest by saying so, however often the device starts."""

FORK_PROBES_MAX: Final = 64
"""Numbers in one question about a forked journal: three rounds for 200 000 entries."""

FORK_PATIENCE_S: Final = 20.0
"""Age of a link on which a journal is contested before records of a cut are asked for on it all the
same: a fork that can be mended is by then, as that takes a few questions and one transaction."""

FORK_BYTES_MAX: Final = 16 * MIB
"""Entries from the point where a journal forked on, which are looked at in memory, all at once."""

FORK_CHANGES_MAX: Final = 32_768
"""Changes in them, each of which is inspected: a second or two, in one step."""

FORK_RECORDS_MAX: Final = 4_096
"""Records that are rebuilt and repeated in one step: about 14 s, as 2 000 took 6.9 s at the lowest
priority of a busy machine; the daemon has 60 s before it counts as stuck."""

ARREARS_BYTES_MAX: Final = 1 * MIB
"""Edits that a retraction could not repeat yet: held in memory, and by nobody else."""

UNACKNOWLEDGED_BYTES_MAX: Final = 4 * MIB
"""Entries in flight on one link before an acknowledgement; what a slow peer can hold in memory."""

FEED_BYTES_MAX: Final = 1 * MIB
"""Entries read from the store at a time for one link: few reads, little memory."""

SUPPLY_READ_BYTES: Final = 64 * KIB
"""Records read from the store at a time to hand them out: what is too much work to be loaded with
those before it is read again."""

ENTRIES_MESSAGE_BYTES_MAX: Final = 256 * KIB
"""Small entries gathered into one message; the receiver starts on it while more comes."""

SNAPSHOT_PIECE_BYTES_MAX: Final = 512 * KIB
"""One piece of a record snapshot; with 256 heads of 32 bytes it fits a message several times."""

SNAPSHOTS_TOGETHER_BYTES_MAX: Final = 8 * KIB
"""A message of several pieces of snapshots; a larger piece has one of its own. Deflate inflates to
1 032 times at most, so a message is never more than two snapshots of the largest size."""

SNAPSHOTS_PER_MESSAGE_MAX: Final = 128
"""Pieces of record snapshots in one message: none has less than 64 bytes."""

CUTS_PER_LINK_MAX: Final = 16
"""How often a peer may say on one link what it does not keep: once, and again when it cannot go on
from another's cut, or when its own journals were adopted anew."""

FETCH_PATIENCE_S: Final = 600.0
"""A fetch that brings nothing for so long, while peers or other offers wait, is not waited for."""

FETCH_PROGRESS_BYTES: Final = 64 * KIB
"""What counts as something: 109 bytes a second. One message of 512 KiB takes 900 a second."""

FETCH_SPURN_S: Final = 1_800.0
"""How long a source that brought nothing is not asked again: the life of a link, and three times
the patience, so that one that does it again and again holds others back a quarter of the time."""

INBOUND_BYTES_MAX: Final = 8 * MIB
"""Received entries that wait to be applied, per link: the peer's window and what was on its way."""
