"""Every target by its name."""

from fuzz import changes, control, members, membership, messages, slots, snapshots, streams, texts

TARGETS = {
    target.name: target
    for target in (
        streams.TARGET,
        messages.WIRE,
        changes.TARGET,
        membership.TARGET,
        messages.PAIRING,
        texts.TARGET,
        control.TARGET,
        slots.TARGET,
        snapshots.TARGET,
        members.TARGET,
    )
}
