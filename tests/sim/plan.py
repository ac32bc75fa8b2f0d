"""What one seed plays: how many devices, how much of everything, and which faults how often.

Every seed draws its own mixture, and about half of the faults are off in any one of them: what two
faults do together is seldom what ten at once do.
"""

from dataclasses import dataclass, fields, replace
from random import Random


@dataclass(frozen=True, slots=True)
class Plan:
    """The mixture of one seed.

    Attributes:
        seed: Everything follows from it.
        devices: Devices in the beginning, 2 to 6.
        moves: How often a person, or fate, does something.
        pause_s: Mean virtual time between two moves.
        latency_s: Mean one-way time of a stream.
        bytes_per_s: What a stream carries.
        disk_s: Mean time of a commit, or of a read.
        crash_rate: Chance of a crash at one effect boundary.
        power_share: Share of crashes that are power losses: nobody is told that links are gone.
        persist_fault_rate: Chance that one commit fails, or that the disk is full from then on.
        load_fault_rate: Chance that one read fails.
        dribble_rate: Chance that bytes arrive in small pieces.
        garble_rate: Chance that somebody on the way changes, repeats or drops bytes.
        sighting_loss: Chance that a device misses an announcement.
        edit, edit_many, edit_bulky, delete, rename, restart, crash, sleep, cut, part, mend,
        fill_disk, free_disk, jump_clock, readdress, stranger, lie, remove, admit, wipe, split,
            feud, backup, restore, clone, flip, forget, keep, settle_quarantine, point, forget_key,
            cancel, verify, clash, unwatch, recover, succeed, pair_by_key: Weights of the moves.
        quiet_healing: Whether devices are left to find out by themselves that all is well again.
        witness_share: Chance that a device notices by itself that its store was put back or copied.
        slow_mending: Whether barriers fall one by one in the end, in any order.
        names: How many records small edits go to. One is changed so often that it is folded.
        collections: How many collections people write to, where any are ever forgotten.
        keep_all: Whether all devices keep everything again in the end.
    """

    seed: int
    devices: int
    moves: int
    pause_s: float
    latency_s: float
    bytes_per_s: float
    disk_s: float
    crash_rate: float
    power_share: float
    persist_fault_rate: float
    load_fault_rate: float
    dribble_rate: float
    garble_rate: float
    sighting_loss: float
    edit: int
    edit_many: int
    edit_bulky: int
    delete: int
    rename: int
    restart: int
    crash: int
    sleep: int
    cut: int
    part: int
    mend: int
    fill_disk: int
    free_disk: int
    jump_clock: int
    readdress: int
    stranger: int
    lie: int
    remove: int
    admit: int
    wipe: int
    quiet_healing: bool
    split: int = 0
    feud: int = 0
    backup: int = 0
    restore: int = 0
    clone: int = 0
    flip: int = 0
    witness_share: float = 0.0
    slow_mending: bool = False
    names: int = 6
    forget: int = 0
    keep: int = 0
    settle_quarantine: int = 0
    point: int = 0
    forget_key: int = 0
    cancel: int = 0
    verify: int = 0
    clash: int = 0
    unwatch: int = 0
    recover: int = 0
    collections: int = 1
    keep_all: bool = False
    succeed: int = 0
    pair_by_key: int = 0

    def __str__(self) -> str:
        """Return what was drawn, and what is off."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        on = [f"{name}={value:g}" for name, value in values.items() if value]
        off = [name for name, value in values.items() if not value]
        return f"{' '.join(on)}; off: {' '.join(off) or 'nothing'}"


WISHES = {
    "settle_quarantine": 6,
    "point": 2,
    "forget_key": 1,
    "cancel": 6,
    "verify": 2,
    "clash": 1,
    "unwatch": 1,
    "recover": 2,
}
"""Weights of what people ask for now and then, where it is drawn; some can seldom be done."""

MOVES = (
    "edit",
    "edit_many",
    "edit_bulky",
    "delete",
    "rename",
    "restart",
    "crash",
    "sleep",
    "cut",
    "part",
    "mend",
    "fill_disk",
    "free_disk",
    "jump_clock",
    "readdress",
    "stranger",
    "lie",
    "remove",
    "admit",
    "wipe",
    "split",
    "feud",
    "backup",
    "restore",
    "clone",
    "flip",
    "forget",
    "keep",
    *WISHES,
    "succeed",
    "pair_by_key",
)
"""The fields of a plan that are weights of moves; each is the name of a method of `Fate` or of a
part of it."""


_INTERESTS = ((0, 0), (2, 1), (3, 3), (6, 3))
"""Weights of forgetting and keeping, where they are drawn at all."""


_HEIRS = ((0, 0), (0, 0), (0, 0), (1, 1), (3, 0), (2, 2))
"""Weights of taking over from a backup, and of pairing with the recovery key."""


def draw_plan(seed: int) -> Plan:
    """Return the mixture of a seed.

    What new devices the recovery key lets in is drawn apart: the rest stays as it was without it.
    """
    random = Random(f"heirs of a plan/{seed}")
    succeed, pair_by_key = random.choice(_HEIRS)
    return replace(_draw_without_heirs(seed), succeed=succeed, pair_by_key=pair_by_key)


def _draw_without_heirs(seed: int) -> Plan:
    random = Random(f"plan/{seed}")

    def rate(*choices: float) -> float:
        return random.choice(choices)

    def weight(*choices: int) -> int:
        return random.choice(choices)

    plan = Plan(
        seed=seed,
        devices=weight(2, 3, 3, 4, 4, 5, 6),
        moves=weight(60, 80, 120),
        pause_s=rate(0.05, 0.5, 4.0, 15.0),
        latency_s=rate(0.0005, 0.01, 0.2),
        bytes_per_s=rate(20e3, 300e3, 100e6, 100e6),
        disk_s=rate(0.0005, 0.005, 0.1),
        crash_rate=rate(0.0, 0.0, 0.002, 0.01),
        power_share=rate(0.0, 0.3, 1.0),
        persist_fault_rate=rate(0.0, 0.0, 0.02, 0.1),
        load_fault_rate=rate(0.0, 0.0, 0.01, 0.05),
        dribble_rate=rate(0.0, 0.02, 0.2),
        garble_rate=rate(0.0, 0.0, 0.002, 0.01),
        sighting_loss=rate(0.0, 0.2, 0.8),
        edit=weight(8, 12),
        edit_many=weight(0, 3),
        edit_bulky=weight(0, 0, 0, 2),
        delete=weight(0, 2),
        rename=weight(0, 1, 3),
        restart=weight(0, 1),
        crash=weight(0, 1, 3),
        sleep=weight(0, 0, 2),
        cut=weight(0, 2),
        part=weight(0, 2, 4),
        mend=weight(1, 2),
        fill_disk=weight(0, 1),
        free_disk=weight(1, 2),
        jump_clock=weight(0, 0, 1),
        readdress=weight(0, 0, 1),
        stranger=weight(0, 1),
        lie=weight(0, 0, 3, 6),
        remove=weight(0, 1),
        admit=weight(0, 1),
        wipe=weight(0, 0, 1),
        quiet_healing=random.random() < 0.3,
        split=weight(0, 0, 2),
        feud=weight(0, 0, 0, 1),
        backup=weight(1, 3),
        restore=weight(0, 0, 0, 1, 2),
        clone=weight(0, 0, 0, 1),
        flip=weight(0, 0, 0, 2),
        witness_share=rate(0.0, 0.5, 1.0),
        slow_mending=random.random() < 0.3,
    )
    if random.random() < 0.2:
        plan = replace(plan, names=1, edit=40, delete=0)
    # What came to be played later is drawn later, and in half of the seeds: the others stay as they
    # were without it.
    if random.random() < 0.5:
        return plan
    forget, keep = random.choice(_INTERESTS)
    share = rate(0.0, 0.5) if forget else 0.5
    wishes = {name: its for name, its in WISHES.items() if random.random() < share}
    return replace(
        plan,
        forget=forget,
        keep=keep,
        collections=weight(1, 2, 3) if forget else 1,
        keep_all=random.random() < 0.5,
        **wishes,
    )


def draw_short_plan(seed: int) -> Plan:
    """Return a small mixture: of the same faults, on fewer devices, for a shorter time."""
    plan = draw_plan(seed)
    return replace(
        plan,
        devices=2 + plan.devices % 2,
        moves=plan.moves // 5,
        edit_bulky=0,
        dribble_rate=plan.dribble_rate / 10,
    )


def quiet_plan(seed: int) -> Plan:
    """Return a plan of three devices to which nothing happens by itself."""
    rates = [field.name for field in fields(Plan) if field.name.endswith(("_rate", "_loss"))]
    still = dict.fromkeys([*MOVES, *rates, "moves", "witness_share"], 0)
    return replace(draw_short_plan(seed), devices=3, **still)  # type: ignore[arg-type]  # by name
