"""What somebody can do in a small history, from what the devices are to whoever knows a part of it.

Two sets, one within the other: what logs take (`is_taken`), and what can have an effect in any
history (`can_matter`).
"""

from collections.abc import Callable

from harness.acts import KEY, Act, id_of
from p2pvault.protocol.membership.history import Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.types import Role


class Seen:
    """What the devices are to somebody who knows a part of a history.

    Attributes:
        known: Who was introduced.
        raised: Whom some operation makes an admin, valid or not.
        gone: Who is out.
        forked: Who is suspended.
        ranks: What everybody is, or would be if it were not suspended.
    """

    def __init__(self, ledger: Ledger, past: Mask, names: str) -> None:
        authority = ledger.authority(past)
        settings = ledger.rulings.settings
        self.known = {name for name in names if settings.get(id_of(name), 0) & past}
        self.raised = {
            name for name in self.known if _ever_admin(ledger, settings[id_of(name)] & past)
        }
        self.gone = {name for name in self.known if authority.removals(id_of(name), past)}
        self.forked = {name for name in self.known if authority.forked(id_of(name), past)}
        self.ranks = {name: authority.rank(id_of(name), past) for name in names}

    def is_admin(self, name: str) -> bool:
        return self.ranks[name] is Role.ADMIN and name not in self.forked


def _ever_admin(ledger: Ledger, settings: Mask) -> bool:
    contents = (ledger.history[number].content for number in positions(settings))
    return any(getattr(content, "role", Role.ADMIN) is Role.ADMIN for content in contents)


Deeds = Callable[[Seen, Act], bool]
"""Which acts a history may contain."""


def is_taken(seen: Seen, act: Act) -> bool:
    """Whether a log takes it: its author was introduced, and its subject, too."""
    author = act.author == KEY or act.author in seen.known
    return author and (act.verb == "add" or act.device in seen.known)


def can_matter(seen: Seen, act: Act) -> bool:
    """Whether it can have a say in who is in, but for proving that its author used a number twice.

    Authority needs an operation in the own past that makes the author an admin, valid or not.
    Whether a removal applies is settled there, too. Who has no authority introduces devices all
    the same, and the key can let them in.
    """
    if act.author == KEY or not is_taken(seen, act):
        return is_taken(seen, act)
    if act.verb == "remove":
        return seen.is_admin(act.author) and act.device not in seen.gone
    return act.author in seen.raised or act.device not in seen.known
