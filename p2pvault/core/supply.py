"""Handing record snapshots to peers that lack entries which this device does not keep.

A peer that lacks an entry at or before a journal's base is told so, with our journals as they
stand: the cut. It asks for every record as of a cut, ours or one that another device began to hand
out. The records go out in the order of their ids, within a window like that of entries, and exactly
as of the cut: what came later is left out, so that whatever the peer writes on top of them follows
only from entries that its journals name.
"""

from p2pvault.core.content import Content
from p2pvault.core.io import Effect, Report, Write
from p2pvault.core.kinds import Kind
from p2pvault.core.link import Link, Supply
from p2pvault.core.loads import LoadSnapshots, SnapshotsLoaded
from p2pvault.core.repair import report_damaged
from p2pvault.errors import UnexpectedMessage
from p2pvault.limits import FEED_BYTES_MAX
from p2pvault.protocol.bootstrap import Cut, decode_wanted, encode_cut, encode_end
from p2pvault.protocol.snapshot import encode_snapshots


def offer(link: Link, content: Content) -> list[Effect]:
    """Tell a peer that it lacks entries that are not kept here, or go on with its supply.

    It is told once, and again when it holds what it was told and lacks more by then.
    """
    supply = link.supply
    if supply is not None and not supply.withdrawn and not _is_taken(link, supply):
        return go_on(link, content)
    assert link.device is not None, "only members are fed"
    link.supply = Supply()
    behind = link.seal(Kind.BEHIND, encode_cut(content.cut))
    report = Report("info", "peer_behind", {"device": link.device.hex()})
    return [report, Write(link.id, behind)]


def heard_wanted(link: Link, body: bytes, content: Content) -> list[Effect]:
    """Begin to hand out snapshots, or take note of how many of them are durable there."""
    wanted, supply = decode_wanted(body), link.supply
    if supply is None:
        raise UnexpectedMessage("a request for snapshots that were not offered")
    if supply.withdrawn:
        # It reached us after the peer said that it needs none any more.
        return []
    if wanted.taken:
        supply.acknowledge(wanted.taken)
    elif supply.cut is not None:
        raise UnexpectedMessage("a second request for what was offered once")
    else:
        supply.cut, supply.after = wanted.cut, wanted.after
    return go_on(link, content)


def go_on(link: Link, content: Content) -> list[Effect]:
    """Ask the store for the next records, if they may be sent now."""
    supply = link.supply
    if supply is None or supply.cut is None or supply.loading or supply.ended:
        return []
    if content.fetching is not None and not link.source:
        # Records hold more than our journals say, but nothing that the one they come from lacks.
        return []
    if not _can_supply(content, supply.cut):
        link.supply = None
        return offer(link, content)
    if link.feed.is_blocked or supply.window_bytes == 0:
        return []
    supply.loading = True
    known = dict.fromkeys(content.journals, 0) | {head.author: head.n for head in supply.cut}
    upto = tuple(sorted(known.items()))
    room = min(supply.window_bytes, FEED_BYTES_MAX)
    # What is being erased here is not whole any more.
    without = link.interests.theirs.forgotten | content.interest.forgotten
    return [LoadSnapshots(link.id, upto, content.last_arrival, supply.after, room, without)]


def loaded(link: Link, answer: SnapshotsLoaded, content: Content) -> list[Effect]:
    """Send loaded records, and go on; what is damaged here is told here, and left out.

    Where they are not known as they were at the cut, the peer begins anew with another one.
    """
    supply = link.supply
    if supply is None or not supply.loading:
        # It was withdrawn meanwhile, and perhaps offered again.
        return []
    if answer.unknown:
        link.supply = None
        return offer(link, content)
    supply.loading, supply.after = False, answer.after
    bodies = list(encode_snapshots(answer.snapshots))
    supply.sent_bytes += sum(map(len, bodies))
    messages = [link.seal(Kind.SNAPSHOTS, body) for body in bodies]
    if answer.after is None:
        supply.ended = True
        messages.append(link.seal(Kind.SNAPSHOTS_END, encode_end()))
    link.feed.untaken_bytes += sum(map(len, messages))
    effects: list[Effect] = [report_damaged(record) for record in answer.damaged]
    effects += [Write(link.id, message) for message in messages]
    return effects + go_on(link, content)


def _is_taken(link: Link, supply: Supply) -> bool:
    """Tell whether a peer holds all of the cut that its records are as of."""
    cut = supply.cut
    return cut is not None and all(link.peer.reached(each.author) >= each.n for each in cut)


def _can_supply(content: Content, cut: Cut) -> bool:
    """Tell whether all records as of a cut are here, and every entry behind it."""
    asked = {head.author: head.n for head in cut}
    kept = all(base <= asked.get(author, 0) for author, base in content.bases.items())
    return kept and all(content.holds(each.head) for each in cut)
