"""What a membership log means, rule by rule (docs/protocol/membership.md)."""

import pytest

from harness.members import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    ERIN,
    JOURNALS,
    NOW_MS,
    Actor,
    add,
    effect,
    epoch,
    founded,
    genesis,
    last,
    merged,
    numbered_epoch,
    remove,
)
from p2pvault.limits import DEVICES_MAX
from p2pvault.protocol.membership import Fallen, MembershipLog, evaluate
from p2pvault.protocol.membership.operation import (
    Accepted,
    Add,
    DeviceCard,
    JournalBound,
    Remove,
    Rename,
    SetRole,
)
from p2pvault.types import Role


def test_the_first_device_is_an_admin_and_the_vault_carries_its_name() -> None:
    membership = evaluate(genesis())
    assert membership.is_admin(ALICE.id)
    assert (membership.name, membership.made_ms) == ("home", NOW_MS)
    assert membership.members[ALICE.id].added_by == ALICE.id


def test_r1_a_member_cannot_change_the_membership() -> None:
    log = ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER))
    before = effect(log)
    for content in (add(DAVE), remove(BOB), SetRole(CAROL.id, Role.ADMIN), epoch(log, 1, [CAROL])):
        assert effect(CAROL.write(log, content)) == before


def test_r1_a_member_renames_itself_and_nobody_else() -> None:
    log = ALICE.write(founded(ALICE), add(BOB, Role.MEMBER))
    log = BOB.write(BOB.write(log, Rename(BOB.id, "mine")), Rename(ALICE.id, "yours"))
    members = evaluate(log).members
    assert (members[BOB.id].name, members[ALICE.id].name) == ("mine", "alice")


def test_r1_a_demoted_admin_loses_its_say() -> None:
    log = ALICE.write(founded(ALICE, BOB), SetRole(BOB.id, Role.MEMBER))
    assert not evaluate(BOB.write(log, add(CAROL))).is_member(CAROL.id)


def test_r1_a_promoted_member_gains_it() -> None:
    log = ALICE.write(founded(ALICE), add(BOB, Role.MEMBER))
    log = ALICE.write(log, SetRole(BOB.id, Role.ADMIN))
    assert evaluate(BOB.write(log, add(CAROL))).is_member(CAROL.id)


def test_a_removed_device_is_out_and_recognised() -> None:
    log = ALICE.write(founded(ALICE, BOB), remove(BOB))
    membership = evaluate(log)
    assert not membership.is_member(BOB.id)
    assert membership.member_by_static(BOB.public.static) is None
    removal = membership.removed_by_static(BOB.public.static)
    assert removal is not None
    assert (removal.name, removal.removed_by, removal.operations) == ("bob", ALICE.id, (last(log),))
    assert removal.removed_ms == NOW_MS


def test_a_stranger_is_neither_member_nor_removed() -> None:
    membership = evaluate(founded(ALICE, BOB))
    assert membership.member_by_static(ERIN.public.static) is None
    assert membership.removed_by_static(ERIN.public.static) is None


def test_a_removed_device_is_not_admitted_again() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB))
    assert not evaluate(CAROL.write(log, add(BOB))).is_member(BOB.id)


def test_a32_r2_what_a_removed_device_did_at_the_same_time_is_void() -> None:
    log = founded(ALICE, BOB)
    removed = ALICE.write(log, remove(BOB))
    backdated = BOB.write(log, add(CAROL))
    assert evaluate(backdated).is_member(CAROL.id)
    assert not evaluate(merged(removed, backdated)).is_member(CAROL.id)


def test_r2_what_it_did_before_the_remover_knew_stays() -> None:
    log = BOB.write(founded(ALICE, BOB), add(CAROL))
    assert evaluate(ALICE.write(log, remove(BOB))).is_member(CAROL.id)


def test_a32_r3_mutual_removals_both_apply() -> None:
    log = founded(ALICE, BOB, CAROL)
    both = merged(ALICE.write(log, remove(BOB)), BOB.write(log, remove(ALICE)))
    membership = evaluate(both)
    assert membership.members.keys() == {CAROL.id}
    assert membership.removed.keys() == {ALICE.id, BOB.id}


def test_a32_r3_removals_in_a_circle_all_apply() -> None:
    log = founded(ALICE, BOB, CAROL)
    ring = [(ALICE, BOB), (BOB, CAROL), (CAROL, ALICE)]
    assert not evaluate(merged(*(one.write(log, remove(two)) for one, two in ring))).members


def test_a32_r3_a_removal_stands_although_its_authors_admission_fell_meanwhile() -> None:
    log = founded(ALICE, BOB, CAROL)
    thief = DAVE.write(BOB.write(log, add(DAVE)), remove(CAROL))
    removed = ALICE.write(log, remove(BOB))
    for both in (merged(thief, removed), merged(removed, thief)):
        assert evaluate(both).members.keys() == {ALICE.id}


def test_r5_two_admissions_of_one_device_are_one_with_the_lower_role() -> None:
    log = founded(ALICE, BOB)
    twice = merged(
        ALICE.write(log, add(CAROL, Role.ADMIN)), BOB.write(log, add(CAROL, Role.MEMBER))
    )
    assert evaluate(twice).members[CAROL.id].role is Role.MEMBER


def test_r5_what_a_void_admission_led_to_is_void() -> None:
    log = founded(ALICE, BOB)
    chain = DAVE.write(CAROL.write(BOB.write(log, add(CAROL)), add(DAVE)), add(ERIN))
    assert len(evaluate(chain).members) == 5
    assert evaluate(merged(chain, ALICE.write(log, remove(BOB)))).members.keys() == {ALICE.id}


def test_the_keys_of_every_device_ever_introduced_stay_known() -> None:
    log = founded(ALICE, BOB)
    fallen = merged(BOB.write(log, add(CAROL)), ALICE.write(log, remove(BOB)))
    membership = evaluate(fallen)
    assert membership.fallen == {CAROL.id: Fallen(CAROL.id, "carol", CAROL.public)}
    for actor in (ALICE, BOB, CAROL):
        assert membership.keys_of(actor.id) == actor.public
    assert membership.keys_of(DAVE.id) is None


def test_r5_a_device_that_fell_with_another_can_be_admitted_by_somebody_else() -> None:
    log = founded(ALICE, BOB)
    fallen = merged(BOB.write(log, add(CAROL)), ALICE.write(log, remove(BOB)))
    assert evaluate(ALICE.write(fallen, add(CAROL))).is_admin(CAROL.id)


def test_r5_of_roles_given_at_the_same_time_the_lower_one_wins() -> None:
    log = ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER))
    up = ALICE.write(log, SetRole(CAROL.id, Role.ADMIN))
    assert evaluate(up).is_admin(CAROL.id)
    down = BOB.write(log, SetRole(CAROL.id, Role.MEMBER))
    assert not evaluate(merged(up, down)).is_admin(CAROL.id)


def test_a_thiefs_demotion_ends_with_the_thief() -> None:
    log = founded(ALICE, BOB, CAROL)
    demoted = BOB.write(log, SetRole(ALICE.id, Role.MEMBER))
    freed = merged(demoted, CAROL.write(log, remove(BOB)))
    assert evaluate(ALICE.write(freed, add(DAVE))).is_member(DAVE.id)


def test_of_names_given_at_the_same_time_every_device_shows_the_same() -> None:
    log = founded(ALICE, BOB)
    one, two = ALICE.write(log, Rename(BOB.id, "one")), BOB.write(log, Rename(BOB.id, "two"))
    names = {evaluate(merged(*pair)).members[BOB.id].name for pair in ((one, two), (two, one))}
    assert len(names) == 1


def test_an_admission_names_a_device_only_if_it_counts() -> None:
    stranger = DeviceCard(CAROL.public, "from a stranger", "laptop")
    log = ALICE.write(founded(ALICE), add(BOB, Role.MEMBER))
    log = ALICE.write(log, add(CAROL))
    for _ in range(4):
        log = BOB.write(log, Add(stranger, Role.ADMIN, ()))
        assert evaluate(log).members[CAROL.id].name == "carol"


@pytest.mark.parametrize("name", ["", "\x1b[2J", "a\u202eb", "\ud7fc" * 3, "\U0010fffd"])
def test_a_name_that_cannot_be_shown_is_replaced_and_not_refused(name: str) -> None:
    log = BOB.write(founded(ALICE, BOB), Rename(BOB.id, name))
    assert evaluate(log).members[BOB.id].name == f"device {BOB.id[:4].hex()}"


def test_two_devices_may_carry_one_name() -> None:
    log = BOB.write(founded(ALICE, BOB), Rename(BOB.id, "alice"))
    assert [member.name for member in evaluate(log).members.values()] == ["alice", "alice"]


def test_a_static_key_claimed_twice_stays_with_the_earlier_device() -> None:
    log = founded(ALICE, BOB)
    public = type(BOB.public)(CAROL.public.signing, BOB.public.static, CAROL.public.box)
    log = ALICE.write(log, Add(DeviceCard(public, "mimic", "laptop"), Role.ADMIN, ()))
    member = evaluate(log).member_by_static(BOB.public.static)
    assert member is not None
    assert member.device == BOB.id


def test_admissions_at_the_same_time_never_make_more_members_than_allowed() -> None:
    log = founded(ALICE, BOB)
    crowd = [Actor(f"crowd {number}") for number in range(DEVICES_MAX - 1)]
    branches = [
        ALICE.write(ALICE.write(log, Rename(ALICE.id, "later")), add(crowd[0])),
        log,
    ]
    for actor in crowd[1:]:
        branches[1] = BOB.write(branches[1], add(actor))
    everyone = evaluate(merged(*branches))
    assert len(everyone.members) == DEVICES_MAX
    assert everyone.members == evaluate(merged(*reversed(branches))).members
    assert not everyone.is_member(crowd[-1].id), "the latest by the graph waits outside"


def test_a_member_has_no_bound_and_a_stranger_has_nothing() -> None:
    membership = evaluate(founded(ALICE, BOB))
    assert membership.acceptance(BOB.id, JOURNALS[BOB]) is None
    assert membership.acceptance(CAROL.id, JOURNALS[CAROL]) == 0


def test_a_removal_bounds_journals_by_the_highest_statement() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB, seen=7))
    assert evaluate(log).acceptance(BOB.id, JOURNALS[BOB]) == 7
    for stated, bound in ((5, 7), (9, 9)):
        statement = Accepted(last(log), (JournalBound(JOURNALS[BOB], stated),))
        membership = evaluate(CAROL.write(log, statement))
        assert membership.acceptance(BOB.id, JOURNALS[BOB]) == bound


def test_a_removed_device_raises_no_bound() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB, seen=7))
    statement = Accepted(last(log), (JournalBound(JOURNALS[BOB], 100),))
    assert evaluate(BOB.write(log, statement)).acceptance(BOB.id, JOURNALS[BOB]) == 7


def test_a_removal_that_does_not_apply_states_nothing() -> None:
    log = ALICE.write(founded(ALICE, BOB), add(CAROL, Role.MEMBER))
    log = CAROL.write(log, remove(BOB, seen=3))
    log = ALICE.write(log, Accepted(last(log), (JournalBound(JOURNALS[BOB], 4),)))
    assert evaluate(log).bounds == {}


def test_a_statement_counts_although_its_author_was_removed_at_the_same_time() -> None:
    """Somebody may have applied entries because of it, and a change is never taken back."""
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB, seen=7))
    stated = CAROL.write(log, Accepted(last(log), (JournalBound(JOURNALS[BOB], 9),)))
    both = merged(stated, ALICE.write(log, remove(CAROL)))
    assert evaluate(both).acceptance(BOB.id, JOURNALS[BOB]) == 9


def test_members_owe_one_statement_for_each_removal_they_did_not_make() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB))
    removal = last(log)
    log = ALICE.write(log, add(DAVE))
    assert evaluate(log).owing == {ALICE.id: (), CAROL.id: (removal,), DAVE.id: ()}
    assert evaluate(CAROL.write(log, Accepted(removal, ()))).owing[CAROL.id] == ()


def test_r6_a_removal_needs_an_epoch_and_an_epoch_after_it_closes() -> None:
    log = founded(ALICE, BOB)
    log = ALICE.write(log, epoch(log, 1, [ALICE, BOB]))
    assert not evaluate(log).needs_epoch
    log = ALICE.write(log, remove(BOB))
    assert evaluate(log).needs_epoch
    log = ALICE.write(log, epoch(log, 2, [ALICE], parents=[1]))
    membership = evaluate(log)
    assert not membership.needs_epoch
    assert membership.current is not None
    assert membership.current.id == numbered_epoch(log, 2)


def test_r6_an_epoch_with_a_box_for_a_removed_device_is_open() -> None:
    log = ALICE.write(founded(ALICE, BOB), remove(BOB))
    assert evaluate(ALICE.write(log, epoch(log, 1, [ALICE, BOB]))).needs_epoch


def test_r6_of_epochs_started_at_the_same_time_all_stay_and_one_is_used() -> None:
    log = founded(ALICE, BOB)
    log = ALICE.write(log, epoch(log, 1, [ALICE, BOB]))
    one = ALICE.write(log, epoch(log, 2, [ALICE, BOB], parents=[1]))
    two = BOB.write(log, epoch(log, 3, [ALICE, BOB], parents=[1]))
    membership = evaluate(merged(one, two))
    starts = sorted((last(one), last(two)), reverse=True)
    assert [epoch.operation for epoch in membership.epochs[:2]] == starts
    assert len(membership.epochs) == 3
    assert set(membership.tips) == {numbered_epoch(log, 2), numbered_epoch(log, 3)}


def test_r6_an_epoch_that_keeps_the_removed_out_comes_before_a_deeper_one() -> None:
    log = founded(ALICE, BOB, CAROL)
    log = ALICE.write(log, epoch(log, 1, [ALICE, BOB, CAROL]))
    closed = ALICE.write(log, remove(BOB))
    closed = ALICE.write(closed, epoch(closed, 2, [ALICE, CAROL], parents=[1]))
    deep = CAROL.write(log, epoch(log, 3, [ALICE, BOB, CAROL], parents=[1]))
    deep = CAROL.write(deep, epoch(deep, 4, [ALICE, BOB, CAROL], parents=[3]))
    current = evaluate(merged(closed, deep)).current
    assert current is not None
    assert current.id == numbered_epoch(log, 2)


def test_r6_an_epoch_of_a_device_removed_at_the_same_time_is_not_used() -> None:
    log = founded(ALICE, BOB)
    mine = BOB.write(log, epoch(log, 1, [BOB]))
    assert evaluate(merged(mine, ALICE.write(log, remove(BOB)))).epochs == ()


def test_gates_are_the_newest_four_epochs_whose_secret_is_known() -> None:
    log = founded(ALICE)
    for number in range(6):
        log = ALICE.write(log, epoch(log, number, [ALICE], parents=[number - 1] if number else []))
    secrets = {numbered_epoch(log, number): b"" for number in (0, 1, 2, 3, 5)}
    expected = tuple(numbered_epoch(log, number) for number in (5, 3, 2, 1))
    assert evaluate(log).gates(secrets) == expected


def started_beside(log: MembershipLog, first: int, parents: list[int]) -> MembershipLog:
    """Let four admins start an epoch each, beside each other, with numbers from one on."""
    return merged(
        *(
            actor.write(log, epoch(log, first + place, parents=parents))
            for place, actor in enumerate((ALICE, BOB, CAROL, DAVE))
        )
    )


def test_epochs_beside_each_other_leave_gates_for_two_generations_before_them() -> None:
    log = founded(ALICE, BOB, CAROL, DAVE)
    log = ALICE.write(log, epoch(log, 0))
    log = started_beside(log, 1, [0])
    log = started_beside(log, 5, [1, 2, 3, 4])
    membership = evaluate(log)
    known = [each.id for each in membership.epochs]
    assert known[-1] == numbered_epoch(log, 0)
    assert membership.gates(dict.fromkeys(known, b"")) == (*known[:2], known[4], known[8])


def test_where_few_epochs_are_known_all_of_them_are_gates() -> None:
    log = founded(ALICE, BOB, CAROL, DAVE)
    membership = evaluate(started_beside(log, 1, []))
    known = tuple(each.id for each in membership.epochs)
    assert membership.gates(dict.fromkeys(known, b"")) == known
    log = ALICE.write(log, epoch(log, 0))
    membership = evaluate(started_beside(log, 1, [0]))
    known = tuple(each.id for each in membership.epochs)
    assert membership.gates(dict.fromkeys(known, b"")) == (*known[:3], known[4])


def test_a_repeated_removal_changes_nothing() -> None:
    log = ALICE.write(founded(ALICE, BOB, CAROL), remove(BOB, seen=3))
    assert evaluate(CAROL.write(log, remove(BOB, seen=9))).bounds == {JOURNALS[BOB]: 3}


def test_a_removal_needs_a_reason_only_for_people() -> None:
    log = ALICE.write(founded(ALICE, BOB), Remove(BOB.id, (), "left on the train"))
    assert evaluate(log).removed[BOB.id].reason == "left on the train"
    log = ALICE.write(founded(ALICE, BOB), Remove(BOB.id, (), "\x1b[2J"))
    assert evaluate(log).removed[BOB.id].reason == ""
