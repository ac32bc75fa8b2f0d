"""The words of the recovery key, as a person has them on paper."""

from harness.daemons import Device, Fleet


def founder(fleet: Fleet) -> tuple[Device, str]:
    """Return a running device that has made a vault, and the words of its recovery key."""
    laptop = fleet.device("laptop")
    made = laptop.ask("init", "--name", "laptop")
    laptop.start()
    return laptop, made["recovery_words"]


def check_nothing_shows(fleet: Fleet, words: str) -> None:
    """No two words that follow each other are in any log."""
    spoken = words.split()
    pairs = [" ".join(spoken[place : place + 2]) for place in range(len(spoken) - 1)]
    for device in fleet.devices:
        for line in device.logs:
            assert not [pair for pair in pairs if pair in line], (device.name, line)
