"""Every bound in one place, each with its reason. Units stand last in the names.

What we write obeys the same bounds as what we accept, so nothing legitimate is ever refused.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * 1024

# Changes and entries -----------------------------------------------------------------------

CHANGE_BYTES_MAX: Final = 1 * MIB - 4 * KIB
"""One change on the wire; fits one entry of ENTRY_BYTES_MAX with its envelope."""

CHANGE_INFLATED_BYTES_MAX: Final = 4 * MIB
"""A deflated change may grow fourfold; 521 838 bytes can inflate to 512 MiB otherwise."""

CHANGE_OPERATIONS_MAX: Final = 65_536
"""Run lengths make a valid 69-byte change apply as 4 000 000 operations; this is 0.1 s of work."""

CHANGE_PREDECESSORS_MAX: Final = 4 * CHANGE_OPERATIONS_MAX
"""Operations that one change overwrites: more than one each only where devices conflicted."""

CHANGE_DEPENDENCIES_MAX: Final = 256
"""A change follows the heads of its record: at most one per concurrent writer in practice."""

CHANGE_ACTORS_MAX: Final = 256
"""Actors that one change refers to: one per store instance that ever wrote in the record."""

CHANGE_SEQUENCE_MAX: Final = 2**53 - 1
"""Changes by one author in one record; a number that every language's reader can hold."""

OPERATION_COUNTER_MAX: Final = 2**32 - 1
"""The engine counts the operations of a record in 32 bits (`verify_ops` in its change.rs)."""

ENTRY_CHANGES_MAX: Final = 1_000
"""Changes in one entry; bulk writes of 10 000 records become ten entries."""

ENTRY_OPERATIONS_MAX: Final = CHANGE_OPERATIONS_MAX
"""Operations of one entry, and of one batch from a peer: 0.1 s of work on texts, and up to
0.25 s on hundreds of records of nested fields, which is what one message may cost. Without it an
entry of 178 KB with 1 000 run-length changes passes every other bound and takes 82 s."""

ENTRY_BYTES_MAX: Final = 1 * MIB
"""One entry with its signature; the same as one control message, less its envelope."""

MEMBERSHIP_HEADS_MAX: Final = 8
"""Membership heads that an entry or an operation names: concurrent admins are few."""

# Records -----------------------------------------------------------------------------------

RECORD_BYTES_MAX: Final = 8 * MIB
"""A saved record; the engine needs a few times this while loading, and holds the interpreter."""

RECORD_OPERATIONS_MAX: Final = 524_288
"""Operations in a record's history, counted along its longest line: half a million keystrokes."""

SNAPSHOT_BYTES_MAX: Final = 2 * RECORD_BYTES_MAX
"""A record as it travels whole: two devices may have filled it to RECORD_BYTES_MAX apart."""

SNAPSHOT_INFLATED_BYTES_MAX: Final = 16 * MIB
"""Columns of a document chunk, inflated; a few KB can inflate to any size otherwise. A record
whose history is larger is kept and sent as changes."""

SNAPSHOT_OPERATIONS_MAX: Final = 2 * RECORD_OPERATIONS_MAX
"""Operations in a snapshot: a few bytes of run lengths can stand for any number otherwise."""

SNAPSHOT_DEPENDENCIES_MAX: Final = 4 * SNAPSHOT_OPERATIONS_MAX
"""References between the changes of a snapshot: more than one each only after concurrent edits."""

VALUE_DEPTH_MAX: Final = 32
"""Nesting of maps and lists in a record; deeper than people write, shallow enough to recurse."""

VALUE_ITEMS_MAX: Final = 50_000
"""Values in one record, counted recursively, so that one edit fits one change."""

TEXT_CHARACTERS_MAX: Final = 50_000
"""One text; each character is an operation, and a whole text must fit into one change."""

SCALAR_BYTES_MAX: Final = 256 * KIB
"""One byte string or atomic string; larger content belongs into a file, not into a record."""

TIMESTAMP_MS_MIN: Final = -62_135_424_000_000
"""0001-01-03T00:00Z: the binding turns timestamps into local datetimes, which begin in year 1."""

TIMESTAMP_MS_MAX: Final = 253_402_128_000_000
"""9999-12-30T00:00Z: the same at the other end; datetime looks a day around, zones add another."""

DIFF_DISTANCE_MAX: Final = 512
"""Inserted and deleted items that a minimal diff looks for; time and memory are its square."""

DEFLATE_BYTES_MIN: Final = 1 * KIB
"""Shorter changes stay as they are: deflating takes 85 us and saves a tenth of a usual record."""

INTEGER_MAX: Final = 2**63 - 1
"""Integers are signed 64-bit in the engine."""

COLLECTION_CHARACTERS_MAX: Final = 64
"""A collection's name: a word or two, shown in tables."""

NAME_CHARACTERS_MAX: Final = 200
"""A record's name: a title line."""

FIELD_CHARACTERS_MAX: Final = 200
"""A field's name."""

CHUNKS_BEFORE_FOLD: Final = 16
"""Chunks of a record before they are folded into a snapshot; loading stays one small read."""

FOLD_BYTES_MIN: Final = 4 * KIB
"""Below this, appended changes are cheaper than a new snapshot."""

# Messages and frames -----------------------------------------------------------------------

FRAME_BYTES_MAX: Final = 65_535
"""The Noise specification's cap on one message, section 3."""

MESSAGE_BYTES_MAX: Final = 1 * MIB + 64 * KIB
"""One logical message: an entry of ENTRY_BYTES_MAX and its envelope."""

WIRE_DEPTH_MAX: Final = 8
"""Nesting of decoded messages; the deepest of ours has 5 levels."""

WIRE_ARRAY_ITEMS_MAX: Final = 4_096
"""Items in one decoded array: an entry has 1 000 changes, a HAVE 4 096 journals."""

WIRE_OBJECTS_MAX: Final = 65_536
"""Objects in one decoded message; 16.8 MB of empty maps would take 1.1 GB otherwise."""

# Replication -------------------------------------------------------------------------------

JOURNALS_MAX: Final = 4_096
"""Journals in one vault: 64 devices with 64 store instances each; a HAVE of all is 230 KB."""

JOURNALS_PER_DEVICE_MAX: Final = 64
"""Journals that one device ever wrote in: one more after each time that its store was restored or
copied. A machine whose files change their inode numbers at every mount would use one a mount."""

FORK_PROBES_MAX: Final = 64
"""Numbers in one question about a forked journal: three rounds for 200 000 entries."""

FORK_BYTES_MAX: Final = 64 * MIB
"""Entries from the point where a journal forked on, which are looked at in memory, all at once."""

UNACKNOWLEDGED_BYTES_MAX: Final = 4 * MIB
"""Entries in flight on one link before an acknowledgement; what a slow peer can hold in memory."""

FEED_BYTES_MAX: Final = 1 * MIB
"""Entries read from the store at a time for one link: few reads, little memory."""

ENTRIES_MESSAGE_BYTES_MAX: Final = 256 * KIB
"""Small entries gathered into one message; the receiver starts on it while more comes."""

SNAPSHOT_PIECE_BYTES_MAX: Final = 512 * KIB
"""One piece of a record snapshot; with 256 heads of 32 bytes it fits a message several times."""

SNAPSHOTS_PER_MESSAGE_MAX: Final = 1_000
"""Pieces of record snapshots in one message: small records, 256 bytes each, fill one."""

RANGE_PARTS: Final = 16
"""Parts of a range that differs: with RANGE_LISTED_MAX the fewest bytes in a model of 100 000
records, 1.4 KB for one difference and 86 KB for 100 scattered ones."""

RANGE_LISTED_MAX: Final = 32
"""Records of a range that are listed rather than divided further."""

RANGE_ITEMS_MAX: Final = 512
"""Records in one list: what one side holds where the other has few. Above it, a range is cut."""

RANGES_PER_MESSAGE_MAX: Final = 1_024
"""Ranges in one message: 64 KB of fingerprints, answered by at most 16 times as many, in turns."""

RANGES_MESSAGE_BYTES_MAX: Final = 256 * KIB
"""Their bytes, one list more: 512 items are 17 KB."""

RANGES_BACKLOG_MAX: Final = 65_536
"""Ranges that wait to be compared on one link, deepest first: 16 of each of 1 024, on the four
levels of one side at 10^9 records."""

REPAIR_MESSAGES_MAX: Final = 4_096
"""Messages of a repair that a peer may send on one link; each may cost a walk over the index. What
is not repaired by then goes on with the next link."""

REPAIR_INBOX_MAX: Final = 4
"""Messages of ranges that wait to be compared: one answers another, so one is usual."""

REPAIR_ROUNDS_MAX: Final = 4
"""Searches that one side begins on one link: one is enough unless records change meanwhile."""

RECORDS_WANTED_MAX: Final = 256
"""Records asked for in one message; the answer is about FEED_BYTES_MAX, and what is left is asked
for again."""

REPAIR_RECORDS_MAX: Final = 65_536
"""Records that wait to be asked for, 1 MB of ids; those beyond are found by the next search."""

VERIFY_EVENTS_MAX: Final = 64
"""Events of a `verify` that wait for its reader; then the audit itself waits."""

KEEPSAKE_BYTES_MAX: Final = 48 * MIB
"""The second copy of keys and membership: a membership log at its longest is some 15 MB."""

SALVAGE_ROWS: Final = 16
"""Rows in one transaction of a salvage: an entry is up to 1 MiB, a record up to 16 MiB."""

PAGES_MENDED_MAX: Final = 1_000
"""Pages of which every bit is tried, 0.4 s each; a disk with more damage is past mending."""

PAGE_FAULTS_MAX: Final = 100
"""Damaged pages that are named; a store with more of them is lost in any case."""

INDEX_PAGE_ROWS: Final = 1_000
"""Rows of the index read at a time by what walks over all of it."""
CUTS_PER_LINK_MAX: Final = 16
"""How often a peer may say on one link what it does not keep: once, and again when it cannot go on
from another's cut, or when its own journals were adopted anew."""

INBOUND_BYTES_MAX: Final = 8 * MIB
"""Received entries that wait to be applied, per link: the peer's window and what was on its way."""

EDITS_QUEUED_MAX: Final = 1_024
"""Local edits that wait for the store; beyond it the caller is told to slow down."""

EDIT_RECORDS_MAX: Final = 1_000
"""Records in one local edit: they become one entry."""

BULK_RECORDS: Final = 256
"""Records in a batch from which on it pays to give memory back: 17 MB after a batch of 1 000."""

RETRY_S: Final = 5.0
"""Before membership operations that could not be written are tried again."""

ID_PREFIX_ROWS_MAX: Final = 1_024
"""Records looked at for an id prefix; so short a prefix that more match is ambiguous anyway."""

RECORDS_CACHED_MAX: Final = 256
"""Loaded records; one costs 8 to 17 KB in the engine, so about 4 MB."""

# Upkeep ------------------------------------------------------------------------------------

DROP_ENTRIES_MAX: Final = 200
"""Entries dropped in one batch; see docs/decisions/0009 for what a batch costs."""

DROP_BYTES_MAX: Final = 1 * MIB
"""Their bytes, which are overwritten with zeros: 256 pages."""

CROWDED_RECORDS_MAX: Final = 1_024
"""Records that one look over the store finds; the next look finds the rest."""

CROWDED_NOTED_MAX: Final = 65_536
"""Records that are remembered to be folded, some 8 MB; beyond it the store is looked over again."""

FOLD_RECORDS_MAX: Final = 8
"""Records folded in one batch: 0.8 ms of work each where they are small, with the proof."""

FOLD_BYTES: Final = 256 * KIB
"""Bytes of chunks folded in one batch, or one record that is larger."""

FREE_PAGES_MAX: Final = 64
"""Free pages that a file keeps, 256 KiB, or a 32nd part of it: the next writes take them."""

RELEASE_PAGES: Final = 128
"""Pages given back in one batch: each moves another page, 2 to 5 ms in all."""

UPKEEP_PAUSE_S: Final = 60.0
"""From something to do until it is done: gathers what a busy minute leaves."""

UPKEEP_STEP_S: Final = 0.1
"""Between two batches; with at most 10 ms each, nine tenths of the time is left to others."""

UPKEEP_PATIENCE_S: Final = 5.0
"""How long one batch waits for a moment in which nothing else is under way."""
# Quarantine --------------------------------------------------------------------------------

QUARANTINE_BYTES_MAX: Final = 64 * MIB
"""Entries kept apart from the journals: what a removed device may still put on others' disks."""

QUARANTINE_JOURNAL_ENTRIES_MAX: Final = 4_096
"""Of them by one journal, so that a removed device leaves room for the next."""

QUARANTINE_CHANGES_MAX: Final = 8_192
"""Changes in them. Accepting all of it is one commit: 4 s for as many records. The rows
stay in memory, 16 bytes a change, and are copied with each batch."""

QUARANTINE_OPERATIONS_MAX: Final = 4 * ENTRY_OPERATIONS_MAX
"""Operations in them, for the same reason: 0.6 s of work."""

QUARANTINE_KEPT_MS: Final = 90 * 86_400_000
"""90 days, after which an entry in quarantine gives way to a new one where there is no room."""

RELEASE_ENTRIES_MAX: Final = 256
"""Entries tried again at a time: local edits come in between, see EDITS_QUEUED_MAX."""

QUARANTINE_PATHS_MAX: Final = 100
"""Paths of records that are named for one device; their number is always told. Names at their
longest for 64 devices still fit into CONTROL_LINE_BYTES_MAX."""

# Store -------------------------------------------------------------------------------------

STORE_WAL_PAGES_MAX: Final = 1_000
"""Pages in the write-ahead log that start a checkpoint; see docs/decisions/0003 for the stalls."""

STORE_WAL_BYTES_KEPT: Final = 16 * MIB
"""What a checkpoint leaves of the log file, so that it is not grown anew after each."""

STORE_CACHE_BYTES: Final = 8 * MIB
"""Decrypted pages per connection: the upper levels of every tree at 100 000 records."""

STORE_ROOM_BYTES: Final = 64 * KIB
"""Less room than this is a full disk: the `-shm` file of SQLite grows by 32 KiB at a time."""

STORE_BUSY_S: Final = 5.0
"""How long a connection waits for another; only recovery after a crash takes any time."""

WITNESS_BATCHES: Final = 256
"""Batches between two stamps: a store rolled back further is noticed after a crash too. Each costs
a flushed file and two commits, measured at 6 ms; at this rate that is 0.02 ms a commit."""

WITNESS_BYTES_MAX: Final = 1 * KIB
"""The witness and the seal of a store: a stamp, a hash and two numbers."""

STORE_CALLS_QUEUED_MAX: Final = 64
"""Calls that wait for one store thread; further callers wait outside, in their order."""

SLOTS_MAX: Final = 16
"""Ways to unlock one device: a key file, some passphrases, a keyring, a recovery key."""

SLOT_BYTES_MAX: Final = 1 * KIB
"""Parameters, or wrapped key, of one slot: a salt and two numbers, or 72 bytes."""

SLOT_KIND_CHARACTERS_MAX: Final = 32
"""The name of a slot's kind: one word."""

SLOTS_FILE_BYTES_MAX: Final = 64 * KIB
"""SLOTS_MAX slots at their largest, with room to spare."""

# Membership --------------------------------------------------------------------------------

DEVICES_MAX: Final = 64
"""Members of one vault, removed ones not counted: one person's devices, generously."""

OPERATIONS_MAX: Final = 10_000
"""Operations in the membership log, for ever."""

OPERATION_BYTES_MAX: Final = 128 * KIB
"""One operation; an epoch with 64 sealed boxes of 1.2 KB is 75 KB."""

OPERATIONS_PER_AUTHOR_MAX: Final = 1_024
"""Operations by one device, forks included: one stolen device cannot fill the log with noise."""

OPERATIONS_RESERVED: Final = 2_000
"""The last part of the log is for removals: everything else is refused to the local writer
earlier, so honest devices that write at the same time never meet OPERATIONS_MAX."""

DEVICE_NAME_CHARACTERS_MAX: Final = 64
"""A device's or a vault's name, in characters after normalisation."""

DEVICE_KIND_CHARACTERS_MAX: Final = 16
"""A kind of device, one word such as `laptop`."""

GATE_EPOCHS_MAX: Final = 4
"""Epochs whose gate key a responder tries on a first message; four cost 97 us and no DH."""

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

# Links -------------------------------------------------------------------------------------

HANDSHAKE_FIRST_S: Final = 5.0
"""From accept to the first message: a device of ours sends it at once."""

HANDSHAKE_S: Final = 10.0
"""A whole handshake, generous for a slow Wi-Fi."""

HEARTBEAT_S: Final = 25.0
"""Between signs of life on an idle link, jittered by a fifth; keeps NAT and ARP entries fresh."""

IDLE_S: Final = 90.0
"""Silence after which a link is dead: three heartbeats and some."""

WRITE_STALL_S: Final = 30.0
"""A write that makes no progress for this long ends the link."""

LINK_AGE_MAX_S: Final = 1_800.0
"""A link is replaced by a new handshake after 30 min, so a stolen link key heals."""

RENEWAL_RETRY_S: Final = 60.0
"""Between attempts to replace an old link; the old one goes on meanwhile."""

REKEY_RECORDS: Final = 65_536
"""Frames per direction under one key."""

REKEY_BYTES: Final = 1024 * MIB
"""Bytes per direction under one key."""

PADDED_BYTES_MIN: Final = 256
"""Smallest padded message: short edits, heartbeats and acknowledgements look the same."""

LINKS_MAX: Final = 128
"""Streams of links at once: one for each of 64 members, and as many that replace one or begin."""

HALF_OPEN_MAX: Final = 32
"""Streams in a handshake, over all addresses."""

HALF_OPEN_PER_NETWORK_MAX: Final = 8
"""The same per /24 (IPv4) or /64 (IPv6)."""

HANDSHAKES_PER_S: Final = 20.0
"""Accepted handshakes per address and second, with a burst of 5 (as WireGuard's limiter)."""

HANDSHAKE_BURST: Final = 5
"""See HANDSHAKES_PER_S."""

HANDSHAKE_SOURCES_MAX: Final = 1_024
"""Addresses whose rate is remembered; a bucket is forgotten once it is full, after 0.25 s."""

LISTEN_BACKLOG: Final = 64
"""Streams that wait to be accepted: twice HALF_OPEN_MAX."""

REFUSED_PAUSE_S: Final = 0.01
"""After refused streams: the next ones are gathered, so that a flood wakes nobody for each."""

SHORTAGE_PAUSE_S: Final = 0.1
"""Before a stream that found no free descriptor is tried again: too short to be noticed."""

LISTEN_PORT_TRIES: Final = 16
"""Ports tried until one is free for both IPv4 and IPv6; a second try is rare already."""

WRITE_QUEUE_BYTES_MAX: Final = 40 * MIB
"""Sealed bytes that wait for one stream; a peer that never reads is dropped at this point, or after
WRITE_STALL_S. A whole membership log goes out at once: PAIRING_PACKAGE_BYTES_MAX, and entries."""

DIALS_PER_DEVICE_MAX: Final = 4
"""Addresses of one device tried at the same time."""

DIALS_MAX: Final = 8
"""Dials under way over all devices."""

DIAL_S: Final = 5.0
"""One TCP connect on a local network."""

RUNS_REMEMBERED: Final = 8
"""Runs of a peer by which it is noticed that two of them are alive; two would do."""

RUNS_TWICE_S: Final = 600.0
"""How long a peer that runs twice is refused: both are told at every attempt, which come as seldom
as this by then, and a false alarm is over after that."""

LINK_SETTLED_S: Final = 60.0
"""A link that lived this long worked; one that broke sooner is dialled again with a pause."""

BACKOFF_MIN_S: Final = 1.0
"""First pause after a failed dial; doubles with jitter."""

BACKOFF_MAX_S: Final = 600.0
"""Longest pause; a sighting or a network change resets it."""

ADDRESSES_PER_PEER_MAX: Final = 16
"""Remembered or advertised addresses of one device."""

HOST_CHARACTERS_MAX: Final = 64
"""An IPv6 address has at most 45 characters, its scope (an interface) at most 15 and a `%`."""

STOP_LINKS_S: Final = 2.0
"""How long a stopping node waits for its closes to be written; SIGTERM is given 5 s in all."""

# Pairing -----------------------------------------------------------------------------------

PAIRING_S: Final = 120.0
"""How long a code is valid."""

PAIRING_GUESSES: Final = 3
"""Wrong codes before it is burnt: 3 in 2**31 is the attacker's chance."""

PAIRING_FAILURES_PER_HOUR: Final = 10
"""Failures after which pairing is locked for PAIRING_LOCK_S."""

PAIRING_LOCK_S: Final = 3_600.0
"""See PAIRING_FAILURES_PER_HOUR."""

PAIRING_NEWS_MAX: Final = 64
"""Pairing events that wait for the program that shows them: a window makes a dozen at most."""

PAIRING_CONFIRM_S: Final = 120.0
"""How long both people may take to compare and type the words."""

PAIRING_SPONSORS_MAX: Final = 3
"""Devices that one typed code is tried on: whoever answers to a code gets one guess at it."""

PAIRING_SEARCH_S: Final = 30.0
"""How long a joining device looks for one that shows a code; mDNS answers within 2 s."""

PAIRING_BUSY_S: Final = 0.5
"""Before a busy device is asked again; one that seeks another code leaves within milliseconds."""

PAIRING_LAST_LOOK_S: Final = 3.0
"""After a wrong code, how long another device that shows one is looked for."""

PAIRING_PACKAGE_BYTES_MAX: Final = 32 * MIB
"""What a new device is given: a membership log at its longest is some 15 MB, epochs included."""

PAIRING_PART_BYTES: Final = 512 * KIB
"""One piece of that; the rest of a message's room is left to its envelope and padding."""

PAIRING_BYTES_PER_S_MIN: Final = 64 * KIB
"""The slowest network on which a new device still gets all of it in time."""

PAIRING_ADDRESSES_MAX: Final = 8
"""Addresses in a QR code: each makes it denser, and a device has few that a phone can reach."""

INVITATION_CHARACTERS_MAX: Final = 1_024
"""A QR code's text; eight IPv6 addresses and both keys are some 470 characters."""

CODE_CHARACTERS_MAX: Final = 64
"""A typed code: three words of at most 10 letters and two digits, spaced generously."""

RECOVERY_TEXT_CHARACTERS_MAX: Final = 1_024
"""A typed recovery key: 24 words of at most 8 letters, numbered and spaced generously."""

# Discovery ---------------------------------------------------------------------------------

DISCOVERY_SLOT_S: Final = 900
"""Life of an advertised instance name."""

DISCOVERY_RETRIES: Final = 4
"""Names per slot to choose from when one is taken."""

SIGHTINGS_QUEUED_MAX: Final = 256
"""mDNS events that wait for the core; more are dropped, they will be announced again."""

DISCOVERY_JITTER_S: Final = 60.0
"""Largest delay of a change of names after the slot's end, so that devices do not move at once."""

DISCOVERY_HOST_TTL_S: Final = 120
"""Life of address and SRV records in other devices' caches (RFC 6762, section 10)."""

DISCOVERY_OTHER_TTL_S: Final = 1_200
"""Life of PTR and TXT records: a name outlives its slot by little (zeroconf floors it at 1 125)."""

DISCOVERY_RESOLVE_S: Final = 3.0
"""How long to ask for the records of one name; zeroconf's own default."""

DISCOVERY_SETTLE_S: Final = 1.5
"""Pause between looks at a name: flushed records live on for 1 s (RFC 6762, section 10.2)."""

DISCOVERY_SETTLE_LOOKS: Final = 2
"""Looks without news: one after a flush, one more for a flush by DISCOVERY_REPEAT_S."""

DISCOVERY_REPEAT_S: Final = 1.0
"""Least time between announcements that may flush each other (RFC 6762, sections 8.3 and 10.2)."""

DISCOVERY_GATHER_S: Final = 0.1
"""Pause between news of a name and the look at it: one announcement may be several packets."""

DISCOVERY_LOOKS_MAX: Final = 64
"""Names looked at simultaneously: one per member. More wait for their next announcement."""

DISCOVERY_TEXT_BYTES_MAX: Final = 255
"""One TXT string (RFC 6763, section 6.1); ours has 18 bytes."""

DISCOVERY_CLOSE_S: Final = 2.0
"""Goodbyes and the end of the mDNS thread; beyond it the process ends without them."""

INTERFACES_DEBOUNCE_S: Final = 0.5
"""A change of network is several events; they are looked at together after this pause."""

INTERFACES_POLL_S: Final = 30.0
"""Between looks at the addresses where the kernel refuses to report changes."""

SUSPEND_CHECK_S: Final = 5.0
"""Between looks at the two clocks that tell a suspend."""

SUSPEND_GAP_S: Final = 10.0
"""Time asleep that counts as a wake-up; peers' idle timers have noticed much later than this."""

# Control socket ----------------------------------------------------------------------------

CONTROL_LINE_BYTES_MAX: Final = 8 * MIB
"""One request or answer: a record at its largest as JSON."""

CONTROL_CALLERS_MAX: Final = 32
"""Programs on the control socket at once."""

CONTROL_DEPTH_MAX: Final = VALUE_DEPTH_MAX + 8
"""Nesting of one control message: a value, and the request around it (at most 5 levels)."""

CONTROL_ANSWER_S: Final = 60.0
"""The command line's patience with one answer: a bulk commit behind others on a slow disk."""

CONTROL_START_S: Final = 2.0
"""The command line's patience with a daemon that was just started: it needs well under a second."""

CONTROL_JOIN_START_S: Final = 5.0
"""The same for `join`, which people type right behind `p2pvaultd &`, on a machine of any speed."""

CONTROL_WAIT_S_MAX: Final = 86_400.0
"""Longest `wait`: a day; a script that waits longer asks again."""

CONTROL_IDLE_S: Final = 30.0
"""A caller that sends nothing and waits for nothing is let go."""

SUBSCRIPTION_EVENTS_MAX: Final = 4_096
"""Events that wait for one watcher; beyond it the watcher is told that it missed some."""

LIST_ROWS_MAX: Final = 10_000
"""Rows in one answer to `ls`; the caller pages on."""

CONTROL_QUEUED_MAX: Final = 16
"""Requests of one caller that wait for their turn; then the daemon stops reading from it."""

CONTROL_STREAMS_MAX: Final = 8
"""Open streams of one caller: a pairing and a few watches."""

# Daemon ------------------------------------------------------------------------------------

CONFIG_BYTES_MAX: Final = 16 * KIB
"""config.toml: half a dozen settings, with room for comments."""

INTERFACES_MAX: Final = 16
"""Interfaces that discovery may be told to use."""

STOP_S: Final = 5.0
"""From the first signal to the end of the process, whatever hangs; systemd's patience is longer."""

STOP_ORDERLY_S: Final = 4.0
"""The part of it in which links are closed and names withdrawn; then everything is cancelled."""

NOTIFY_STATUS_CHARACTERS_MAX: Final = 200
"""One line in `systemctl status`."""

LOG_FIELD_CHARACTERS_MAX: Final = 64
"""One value in a log line; what is allowed there are words, numbers and addresses."""

LOG_DEVICE_CHARACTERS: Final = 8
"""Digits of a device's id in a log line: enough to tell 64 devices apart, too few for a key."""

LOG_FRAMES_MAX: Final = 48
"""Stack frames in a logged crash: deeper than our calls nest, short enough for a journal."""

LOG_REPEAT_S: Final = 60.0
"""How long a warning that was written is not written again: a peer that fails as often as it can
costs 1 440 lines a day, about 300 KB."""

LOG_REPEATS_MAX: Final = 256
"""Different warnings that are remembered: every reason for a link to fail, for a few devices."""
