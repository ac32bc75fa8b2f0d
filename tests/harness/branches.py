"""Two branches of one journal on two devices, as a rollback that nobody noticed leaves them."""

from harness.party import Party
from harness.world import World
from p2pvault.types import AuthorId


def split_journal(
    world: World, parties: tuple[Party, Party, Party], first: int, second: int
) -> AuthorId:
    """Let the first party write twice from one state, and each of the others see one life only.

    The first life has so many edits of `notes/first`, the second of `notes/second`. Returns the
    journal; the author is offline then, and so is the second party, parted from the third.
    """
    ada, bob, cyd = parties
    copy = world.copy(ada)
    world.part(bob, cyd)
    world.offline(cyd)
    for number in range(first):
        world.put(ada, "notes/first", text="first life", n=number)
    world.pass_time(5)
    world.offline(bob)
    world.offline(ada)
    author = ada.device.pipeline.author
    world.restore(ada, copy)
    world.online(ada)
    world.online(cyd)
    for number in range(second):
        world.put(ada, "notes/second", text="second life", n=number)
    world.pass_time(60)
    world.offline(ada)
    return author
