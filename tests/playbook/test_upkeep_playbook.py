"""Upkeep: when something is done, how much of it, and what is never done."""

from dataclasses import replace

from harness.batches import author, device, digest
from harness.entropy import seeded
from harness.pairs import effects_of, entries_of, only, say, world_of
from harness.party import Party
from harness.world import World, put
from p2pvault.core.acknowledged import Acknowledged
from p2pvault.core.io import Persist
from p2pvault.core.kinds import Kind
from p2pvault.core.loads import LoadSurplus, SurplusLoaded
from p2pvault.limits import (
    CHUNKS_BEFORE_FOLD,
    CROWDED_NOTED_MAX,
    CROWDED_RECORDS_MAX,
    DROP_ENTRIES_MAX,
    FOLD_RECORDS_MAX,
    FREE_PAGES_MAX,
    RELEASE_PAGES,
    UPKEEP_PATIENCE_S,
    UPKEEP_PAUSE_S,
)
from p2pvault.node.audit import Journals
from p2pvault.node.port import Finding
from p2pvault.protocol.reconcile import Have, encode_have
from p2pvault.types import Acknowledgement, AuthorId, EntryHash, JournalHead, RecordId, Surplus


def alone(records: int = 0, edits: int = 0) -> tuple[World, Party]:
    world = World("alone")
    ada = world.found("ada")
    for _ in range(edits):
        for number in range(records):
            world.edit(ada, put(f"notes/{number}", **{f"f{world.now.monotonic}": 1}))
        world.run()
        world.pass_time(0.001)
    return world, ada


def persisted(party: Party) -> list[Persist]:
    return only(Persist, effects_of(party))


def chunks_of(party: Party) -> list[int]:
    return [len(record.chunks) for record in party.store.records_behind(None, 1 << 30)]


def test_nothing_is_done_where_nothing_happens():
    world, ada = alone()
    world.run()
    ada.trace.clear()
    world.pass_time(10 * UPKEEP_PAUSE_S)
    assert only(LoadSurplus, effects_of(ada)) == []


def test_a_minute_gathers_what_is_to_be_done_and_then_it_is_over():
    world, ada = alone(3, 2)
    world.pass_time(UPKEEP_PAUSE_S - 1)
    assert only(LoadSurplus, effects_of(ada)) == []
    assert len(entries_of(ada)) == 4
    world.pass_time(2)
    assert entries_of(ada) == []
    looked = len(only(LoadSurplus, effects_of(ada)))
    assert looked == 2, "once with something to drop, once without"
    world.pass_time(10 * UPKEEP_PAUSE_S)
    assert len(only(LoadSurplus, effects_of(ada))) == looked


def test_entries_go_a_few_at_a_time():
    world, ada = alone()
    for n in range(DROP_ENTRIES_MAX + 10):
        world.put(ada, "notes/one", n=n)
    ada.trace.clear()
    world.pass_time(2 * UPKEEP_PAUSE_S)
    dropped = [p.batch.dropped[0].n for p in persisted(ada) if p.batch.dropped]
    assert dropped == [DROP_ENTRIES_MAX, DROP_ENTRIES_MAX + 10]
    assert entries_of(ada) == []


def test_crowded_records_are_folded_a_few_at_a_time():
    world, ada = alone(FOLD_RECORDS_MAX + 3, CHUNKS_BEFORE_FOLD)
    assert set(chunks_of(ada)) == {CHUNKS_BEFORE_FOLD}
    values = world.values(ada)
    ada.trace.clear()
    world.pass_time(2 * UPKEEP_PAUSE_S)
    folded = [len(p.batch.records) for p in persisted(ada) if p.batch.records]
    assert folded == [FOLD_RECORDS_MAX, 3]
    assert set(chunks_of(ada)) == {1}
    assert world.values(ada) == values


def test_crowded_records_of_an_earlier_life_are_found():
    world, ada = alone(3, CHUNKS_BEFORE_FOLD)
    world.restart(ada)
    world.put(ada, "notes/0", n=1)
    world.pass_time(2 * UPKEEP_PAUSE_S)
    assert set(chunks_of(ada)) == {1}
    (first, *later) = only(LoadSurplus, effects_of(ada))
    assert first.chunks_min == CHUNKS_BEFORE_FOLD
    assert {load.chunks_min for load in later} == {None}, "the store is looked over once"


def test_large_records_are_folded_alone():
    world, ada = alone()
    for n in range(4):
        for name in "ab":
            world.put(ada, f"large/{name}", blob=seeded((n, name))(100_000))
    ada.trace.clear()
    world.pass_time(2 * UPKEEP_PAUSE_S)
    folded = [len(p.batch.records) for p in persisted(ada) if p.batch.records]
    assert folded == [1, 1]
    assert chunks_of(ada) == [1, 1]


def test_nothing_is_done_while_something_else_is_under_way_until_patience_ends():
    world, ada = alone(1, 1)
    upkeep, pipeline = ada.device._upkeep, ada.device.pipeline
    pipeline._jobs.add([None])
    upkeep.wake_at = world.now.monotonic
    upkeep._stepped_at = world.now.monotonic - 1
    assert upkeep.wake(world.now) == []
    assert upkeep.wake_at == world.now.monotonic - 1 + UPKEEP_PATIENCE_S
    later = replace(world.now, monotonic=upkeep.wake_at)
    (load,) = upkeep.wake(later)
    assert isinstance(load, LoadSurplus)
    upkeep.wake_at = later.monotonic
    assert upkeep.wake(later) == [], "one look at a time"


def test_what_waited_is_done_as_soon_as_nothing_else_is_under_way():
    world, ada = alone(1, 1)
    upkeep = ada.device._upkeep
    world.edit(ada, put("notes/0", more=1))
    world.until(lambda: not ada.device.pipeline.is_idle)
    upkeep._stepped_at = upkeep.wake_at = world.now.monotonic
    assert upkeep.wake(world.now) == []
    ada.trace.clear()
    world.run()
    assert only(LoadSurplus, effects_of(ada))


def test_a_full_disk_or_a_damaged_store_stops_it_and_nothing_else():
    world, ada = alone(2, CHUNKS_BEFORE_FOLD)
    ada.disk_full = True
    world.pass_time(3 * UPKEEP_PAUSE_S)
    assert set(chunks_of(ada)) == {CHUNKS_BEFORE_FOLD}
    ada.disk_full, ada.unreadable = False, True
    world.pass_time(3 * UPKEEP_PAUSE_S)
    ada.unreadable = False
    world.put(ada, "notes/0", n=1)
    world.pass_time(3 * UPKEEP_PAUSE_S)
    assert set(chunks_of(ada)) == {1}
    assert entries_of(ada) == []


def test_a_record_that_cannot_be_proved_stays_as_it_is_and_the_others_are_folded():
    world, ada = alone(3, CHUNKS_BEFORE_FOLD)
    (damaged, *_) = ada.store.records_behind(None, 1 << 30)
    torn = replace(damaged, chunks=damaged.chunks[:-1])
    ada.store._records[damaged.row.id] = torn
    world.restart(ada)
    ada.device._upkeep._note((r.row.id, 9) for r in ada.store.records_behind(None, 1 << 30))
    ada.device._upkeep._wake_by(world.now.monotonic)
    world.pass_time(2 * UPKEEP_PAUSE_S)
    assert sorted(chunks_of(ada)) == [1, 1, CHUNKS_BEFORE_FOLD - 1]
    assert [r.fields["record"] for r in ada.reported("fold_failed")] == [damaged.row.id.hex()]


def test_a_peer_that_comes_back_with_less_keeps_what_was_about_to_go():
    world, (ada, bob) = world_of(2)
    for n in range(3):
        world.put(ada, "notes/one", n=n)
    upkeep, content = ada.device._upkeep, ada.device.pipeline.durable
    found = ada.store.surplus(upkeep._upto(), None)
    (head,) = found.dropped
    assert head.n == 2, "the last entry stays"
    ada.device.book.acknowledged.heard(bob.id, {head.author: replace(head, n=1)})
    upkeep._acknowledged.take_unsaved()
    assert upkeep.answered(world.now, SurplusLoaded(found)) == []
    assert content.bases == {}


def test_what_lies_before_a_base_goes_whoever_lacks_it():
    world, (ada, bob) = world_of(2)
    world.offline(bob)
    for n in range(3):
        world.put(ada, "notes/one", n=n)
    pipeline, upkeep = ada.device.pipeline, ada.device._upkeep
    assert dict(upkeep._upto())[pipeline.author] == 0, "bob lacks all of it"
    pipeline.durable = replace(pipeline.durable, bases={pipeline.author: 2})
    assert dict(upkeep._upto())[pipeline.author] == 2


def test_free_pages_are_given_back_but_for_some():
    world, ada = alone()
    upkeep = ada.device._upkeep
    for free, pages, released in [
        (FREE_PAGES_MAX, 100, 0),
        (FREE_PAGES_MAX + 5, 100, 5),
        (10_000, 20_000, RELEASE_PAGES),
        (1_000, 32_000, 0),
    ]:
        effects = upkeep.answered(world.now, SurplusLoaded(Surplus((), (), free, pages)))
        assert [p.batch.release_pages for p in only(Persist, effects)] == [released] * bool(
            released
        )
        for persist in only(Persist, effects):
            ada.device.pipeline.persisted(persist.id)


def test_no_more_crowded_records_are_remembered_than_fit():
    world, ada = alone()
    upkeep = ada.device._upkeep
    upkeep._searched = True
    upkeep._note((RecordId(n.to_bytes(16, "big")), 1) for n in range(CROWDED_NOTED_MAX + 1))
    assert len(upkeep._crowded) == CROWDED_NOTED_MAX
    assert not upkeep._searched, "the store is looked over again for the rest"
    upkeep._crowded.clear()
    many = tuple((RecordId(n.to_bytes(16, "big")), 1) for n in range(CROWDED_RECORDS_MAX))
    upkeep.answered(world.now, SurplusLoaded(Surplus((), many, 0, 0)))
    assert not upkeep._searched


def test_a_journal_that_begins_behind_its_base_is_sound_and_one_with_a_gap_is_not():
    world, ada = alone(2, 3)
    world.pass_time(2 * UPKEEP_PAUSE_S)
    for n in range(3):
        world.put(ada, "notes/0", n=n)
    members, state = ada.device.members, ada.store.state()
    assert state.bases

    def findings() -> list[Finding]:
        journals = Journals(members.vault, members.membership, state.bases)
        return only(Finding, journals.check(ada.store, ada.store.state().last_arrival))

    assert findings() == []
    del ada.store._entries[0]
    assert [finding.kind for finding in findings()] == ["entry"]


# What peers said to hold -------------------------------------------------------------------


def heads(**numbers: int) -> dict:
    made = [
        JournalHead(author(int(name[1:])), n, EntryHash(digest(n))) for name, n in numbers.items()
    ]
    return {each.author: each for each in made}


def test_the_slowest_member_decides_and_one_that_never_spoke_holds_nothing():
    said = Acknowledged(())
    ours = heads(j1=9, j2=4)
    assert said.held_by_all([], ours) == {author(1): 9, author(2): 4}
    assert said.heard(device(1), heads(j1=12, j2=3))
    assert said.held_by_all([device(1)], ours) == {author(1): 9, author(2): 3}
    assert said.held_by_all([device(1), device(2)], ours) == {author(1): 0, author(2): 0}
    assert said.reached(device(2), author(1)) == 0, "nothing is known of it"
    said.heard(device(2), heads(j1=5))
    assert (said.reached(device(2), author(1)), said.reached(device(2), author(2))) == (5, 0)
    assert said.held_by_all([device(1), device(2)], ours) == {author(1): 5, author(2): 0}


def test_the_last_word_counts_and_is_told_to_the_store_once():
    said = Acknowledged([Acknowledgement(device(1), author(1), 7)])
    assert said.is_saved
    assert not said.heard(device(1), heads(j1=7))
    assert said.heard(device(1), heads(j1=5, j2=1))
    assert not said.is_saved
    assert said.take_unsaved() == tuple(
        sorted(
            [Acknowledgement(device(1), author(1), 5), Acknowledgement(device(1), author(2), 1)],
            key=lambda word: word.author,
        )
    )
    assert said.take_unsaved() == ()
    said.heard(device(1), heads(j2=1))
    said.heard(device(2), heads(j2=3))
    assert set(said.take_unsaved()) == {
        Acknowledgement(device(1), author(1), 0),
        Acknowledgement(device(2), author(2), 3),
    }


def test_what_a_peer_says_of_journals_that_nobody_knows_is_not_kept():
    world, (ada, bob) = world_of(2)
    world.put(ada, "notes/one", text="early")
    world.pass_time(30)
    unknown = [JournalHead(AuthorId(bytes([n]) * 16), 1, EntryHash(bytes(32))) for n in range(200)]
    say(world, bob, ada, (Kind.HAVE, encode_have(Have(tuple(unknown), bytes(32)))))
    world.pass_time(70)
    said = {word.author for word in ada.store.state().acknowledged}
    assert said <= ada.device.pipeline.durable.journals.keys()
