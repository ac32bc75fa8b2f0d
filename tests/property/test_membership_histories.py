"""That nothing is missing among the small histories: each way to leave some out, and why it may.

The enumeration of harness/histories.py is compared with plainer ones, which make everything and
then see what is the same. test_membership_exhaustive.py checks what it yields.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import permutations, product

import pytest

from harness.acts import Act
from harness.deeds import Seen, can_matter, is_taken
from harness.deliveries import both_ways
from harness.histories import Histories, Part, Small, Step
from p2pvault.protocol.membership import MembershipLog, evaluate
from p2pvault.protocol.membership.history import Mask, positions
from p2pvault.protocol.membership.ledger import Ledger
from p2pvault.protocol.membership.operation import Operation
from p2pvault.types import OperationHash, Role

pytestmark = pytest.mark.heavy

ADMINS = (Act("a", "add", "b", Role.ADMIN), Act("a", "add", "c", Role.ADMIN))

Told = tuple[str, tuple["Told", ...]]
"""What an operation says, and what those say that it follows."""


def test_of_histories_that_differ_in_names_exactly_one_is_looked_at() -> None:
    for operations in (1, 2, 3):
        check_names(3, operations, "bc")
    check_names(3, 2, "bc", ADMINS)


@pytest.mark.long
def test_of_longer_histories_that_differ_in_names_exactly_one_is_looked_at() -> None:
    check_names(3, 4, "bc")
    check_names(4, 3, "bcd")
    check_names(4, 4, "bcd")
    check_names(3, 3, "bc", ADMINS)


def check_names(devices: int, operations: int, alike: str, beginning: tuple[Act, ...] = ()) -> None:
    every = Histories(devices, operations, "", beginning)
    some = Histories(devices, operations, alike, beginning)
    there = Counter(nameless(small, alike) for small in every)
    found = Counter(nameless(small, alike) for small in some)
    assert found.keys() == there.keys()
    assert set(found.values()) == {1}
    assert every.made == every.looked_at == some.made == there.total()


def nameless(small: Small, alike: str) -> tuple[Told, ...]:
    """Return what histories have in common that differ in the names of some devices alone."""
    namings = (dict(zip(alike, order, strict=True)) for order in permutations(alike))
    return min(tuple(sorted(told(small, names).values())) for names in namings)


def told(small: Small, names: dict[str, str]) -> dict[OperationHash, Told]:
    """Return what each operation says and follows, under other names."""
    found: dict[OperationHash, Told] = {}
    for step in small.steps:
        followed = sorted(found[hash_] for hash_ in step.operation.prev if hash_ in found)
        found[step.operation.hash] = step.act.renamed(names).text, tuple(followed)
    return found


def test_every_set_of_operations_is_made_exactly_once() -> None:
    for operations in (1, 2, 3):
        check_sets(3, operations)
    check_sets(3, 2, ADMINS)


@pytest.mark.long
def test_every_set_of_operations_of_four_devices_is_made_exactly_once() -> None:
    for operations in (1, 2, 3):
        check_sets(4, operations)


def check_sets(devices: int, operations: int, beginning: tuple[Act, ...] = ()) -> None:
    made = Counter(map(hashes, Histories(devices, operations, "", beginning)))
    assert made.keys() == sets_of_operations(devices, operations, beginning)
    assert set(made.values()) == {1}


def sets_of_operations(
    devices: int, operations: int, beginning: tuple[Act, ...]
) -> set[frozenset[OperationHash]]:
    """Return them as they come when each is made in all ways, and repetitions are forgotten."""
    histories = Histories(devices, operations, "", beginning)
    found = {hashes(histories.start): histories.start}
    for left in reversed(range(operations)):
        longer = [grown for small in found.values() for grown in all_after(histories, small, left)]
        found = {hashes(small): small for small in longer}
    return set(found)


def all_after(histories: Histories, small: Small, left: int) -> Iterator[Small]:
    for known in small.parts():
        for step in histories.after(small, known, left):
            if step.operation.hash not in small.ledger.history:
                yield small.with_step(step)


def hashes(small: Small) -> frozenset[OperationHash]:
    return frozenset(step.operation.hash for step in small.steps)


def test_every_outcome_between_uses_of_the_key_is_looked_at_exactly_once() -> None:
    for operations in (1, 2, 3):
        every = {outcome(small) for small in Histories(2, operations, with_every_rank=True)}
        some = Counter(outcome(small) for small in Histories(2, operations))
        assert some.keys() == every
        assert set(some.values()) == {1}


@pytest.mark.long
def test_every_outcome_between_four_uses_of_the_key_is_looked_at_exactly_once() -> None:
    every = {outcome(small) for small in Histories(2, 4, with_every_rank=True)}
    some = Counter(outcome(small) for small in Histories(2, 4))
    assert some.keys() == every
    assert set(some.values()) == {1}


def outcome(small: Small) -> tuple[object, ...]:
    """Return what a history says but for ranks; of each use, which beside it have lower hashes."""
    history = small.ledger.history
    plain: dict[OperationHash, tuple[object, ...]] = {}
    for step in small.steps:
        text = Act(step.act.author, step.act.verb, step.act.device, step.act.role).text
        followed = sorted(plain[hash_] for hash_ in step.operation.prev if hash_ in plain)
        number = history.number(step.operation.hash)
        plain[step.operation.hash] = text, tuple(followed), number_of_lower(small, number)
    return tuple(sorted(plain.values()))


def number_of_lower(small: Small, number: int) -> int:
    history = small.ledger.history
    uses = [use.number for use in small.uses]
    return sum(
        history[other].hash < history[number].hash
        for other in uses
        if number in uses
        and not (history.past(number) >> other | history.past(other) >> number) & 1
    )


def test_what_is_pointless_has_no_effect_on_anything_that_comes_later() -> None:
    looked_at = sum(
        check_that_nothing_changes_without_it(small)
        for operations in (1, 2, 3)
        for small in Histories(3, operations, "bc", deeds=is_taken)
    )
    assert looked_at == 964


@pytest.mark.long
def test_what_is_pointless_has_no_effect_in_longer_histories() -> None:
    histories = Histories(3, 4, "bc", deeds=is_taken)
    assert sum(map(check_that_nothing_changes_without_it, histories)) == 3_000


def check_that_nothing_changes_without_it(small: Small) -> bool:
    """Whether there was something pointless in a history where nobody used a number twice."""
    kept = [step for step in small.steps if mattered(small, step)]
    if len(kept) == len(small.steps) or small.ledger.rulings.forks:
        return False
    assert standings(small.ledger) == standings(only(small, kept))
    return True


def mattered(small: Small, step: Step) -> bool:
    past = small.ledger.history.past(small.ledger.history.number(step.operation.hash))
    return can_matter(Seen(small.ledger, past, "abc"), step.act)


def only(small: Small, kept: list[Step]) -> Ledger:
    """Return the ledger of some operations, each of which follows what it knew of the others."""
    old, ledger = small.ledger.history, Ledger()
    for number in range(small.first):
        ledger.record(old[number])
    for step in kept:
        past = old.past(old.number(step.operation.hash))
        new = ledger.history
        hashes = [old[number].hash for number in positions(past) if old[number].hash in new]
        ledger.record(moved(ledger, step.operation, new.closure(hashes)))
    return ledger


def moved(ledger: Ledger, operation: Operation, past: Mask) -> Operation:
    """Return an operation with the same name that has something else in its past."""
    part = Part.of(ledger.history, past)
    author = operation.author
    n = 1 + (ledger.written.get(author, 0) & past).bit_count()
    content, when = operation.content, operation.wall_ms
    return Operation(operation.hash, operation.vault, part.prev, author, n, when, content, b"")


def standings(ledger: Ledger) -> tuple[object, ...]:
    """Return who is in and as what, who is out and why.

    What is shown besides, and who owes a statement, may rest on how long ways through the history
    are, and on admissions without an effect if it was the key that let somebody in.
    """
    found = evaluate(MembershipLog(ledger))
    roles = {device: member.role for device, member in found.members.items()}
    reasons = {device: removal.operations for device, removal in found.removed.items()}
    return roles, reasons, found.suspended, found.contested


def test_any_two_operations_beside_each_other_are_delivered_both_ways_round() -> None:
    checked = 0
    for pasts in shapes(5):
        checked += 1
        one, other = both_ways(pasts, 0)
        for late, early in product(range(5), repeat=2):
            if early < late and not pasts[late] >> early & 1:
                assert (one.order.index(early) < one.order.index(late)) != (
                    other.order.index(early) < other.order.index(late)
                )
    assert checked == 357, (
        "as many partial orders on 1 to 5 agree with these numbers (OEIS A006455)"
    )


def shapes(size: int) -> Iterator[tuple[Mask, ...]]:
    """Yield all that so many operations can know of those before them."""
    for pasts in product(*(range(1 << number) for number in range(size))):
        if all(not pasts[one] & ~past for past in pasts for one in positions(past)):
            yield pasts


def test_parts_make_the_whole() -> None:
    whole = Counter(map(hashes, Histories(3, 3, "bc")))
    parts = Counter(
        hashes(small) for part in range(4) for small in Histories(3, 3, "bc").part(part, 4)
    )
    assert parts == whole
