"""Bounds of what a device keeps and what it does not."""

from typing import Final

from p2pvault.limits.units import MIB

INTEREST_COLLECTIONS_MAX: Final = 256
"""Collections that one device does not keep, by the person's word; their names are told on every
link, 17 KB at their longest."""

PARTIAL_COLLECTIONS_MAX: Final = 1_024
"""Collections of which a device may lack something: what four devices can name together."""

HEADERS_PATIENCE_S: Final = 20.0
"""How long headers wait at least before they go to a device that would have the entries whole:
whoever is linked with it and has them whole has sent them by then. It is looked at whenever that
device speaks, and so over with its second heartbeat at the latest."""

MEMBERSHIP_PATIENCE_S: Final = 20.0
"""How long a link is up at the most before a difference in content is called a fault, where the two
did not know the same members at its beginning: an answer each way and a commit are over by then."""

ERASE_RETRY_S: Final = 60.0
"""Before a step of erasing that failed is tried again, where nothing else became durable before."""

ERASE_RECORDS_MAX: Final = 64
"""Records of a forgotten collection that are erased in one transaction. Their content lies on pages
that are given back, so 64 small ones take 2 ms, and others wait for no more than these."""

ERASE_BYTES_MAX: Final = MIB
"""Entries read in one go to make headers of those that concern forgotten collections only."""
