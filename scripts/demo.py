"""Two devices, one vault, as a transcript of two terminals. `scripts/demo` runs it.

Everything that is shown is checked; the exit code is 0 only if all of it is as it should be.
"""

import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from stage import Device, SurpriseError, Transcript

CODE = r"(\d\d(?:-[a-z]+){3})"
SAME = r"same as here, proved \d+ s ago"
MERGED = "Oat milk and bread, and some tea"


def main() -> int:
    """Play all of it; the exit code is 1 if anything was not as expected."""
    # A shell that starts us in the background has us ignore it, and our commands with us.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)
    transcript, began = Transcript(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="p2pvault-demo-") as directory:
        laptop, phone = (Device(name, Path(directory), transcript) for name in ("laptop", "phone"))
        try:
            transcript.say("Two devices on this machine, each with a P2PVAULT_HOME of its own.")
            play(transcript, laptop, phone)
        except SurpriseError as error:
            return complain(error, laptop, phone)
        finally:
            ignore_signals()
            laptop.close()
            phone.close()
    transcript.say(f"All as it should be, in {time.monotonic() - began:.0f} s. Nothing is left.")
    return 0


def play(transcript: Transcript, laptop: Device, phone: Device) -> None:
    """Show every step in its order."""
    transcript.step("A vault on the laptop; the phone has none yet")
    start(laptop, phone)
    transcript.step("Pairing: a code typed on the phone, two words typed on the laptop")
    pair(laptop, phone)
    transcript.step("Live: what one device writes appears on the other")
    edit_live(laptop, phone)
    transcript.step("Apart: one daemon is killed, each device edits alone")
    edit_apart(laptop, phone)
    transcript.step("Together again: fields are merged, prose is merged by character")
    meet(laptop, phone)
    transcript.step("The proof, on both devices")
    for device, other in ((laptop, phone), (phone, laptop)):
        prove(device, other)


def start(laptop: Device, phone: Device) -> None:
    """Make a vault with two records on the laptop, and run both daemons."""
    laptop.run("p2pvault", "init", "--name", "laptop", "--no-qr")
    laptop.start()
    laptop.run("p2pvault", "set", "contacts/ada", "name=Ada Lovelace", "email=ada@example.org")
    laptop.run("p2pvault", "set", "notes/shopping", "body=Milk and bread")
    phone.start()


def pair(laptop: Device, phone: Device) -> None:
    """Hold the whole ceremony: the code goes one way, the words go the other way."""
    holder = laptop.open("p2pvault", "pair", "--no-qr")
    code = holder.expect(f"this code: +{CODE}")
    joiner = phone.open("p2pvault", "join", "--name", "phone")
    joiner.expect("Code from the other device: ")
    joiner.type(code)
    words = joiner.expect("two words on the other device: +([a-z]+ [a-z]+)")
    holder.expect("Type the two words that it shows: ")
    holder.type(words)
    joiner.expect(r"Join it\? \[y/N\] ")
    joiner.type("yes")
    joiner.finish()
    holder.finish()


def edit_live(laptop: Device, phone: Device) -> None:
    """Read on the phone what the laptop wrote, and write back while the laptop watches."""
    wait_synced(phone, laptop)
    expect(phone.run("p2pvault", "get", "contacts/ada"), "Ada Lovelace")
    watch = laptop.open("p2pvault", "watch")
    watch.expect("Waiting for changes")
    phone.run("p2pvault", "set", "contacts/ada", "phone=+44 20 7946 0000")
    watch.expect(r"contacts/ada +phone +\(phone\)")
    watch.interrupt()
    prove(phone, laptop)


def edit_apart(laptop: Device, phone: Device) -> None:
    """Edit the same records on both, while never both run."""
    phone.kill()
    laptop.run("p2pvault", "set", "contacts/ada", "email=ada@analytical.example")
    laptop.run("p2pvault", "set", "notes/shopping", "body=Oat milk and bread")
    laptop.stop()
    phone.start()
    phone.run("p2pvault", "set", "contacts/ada", "phone=+44 20 7946 0999", "born:=1815")
    phone.run("p2pvault", "set", "notes/shopping", "body=Milk and bread, and some tea")


def meet(laptop: Device, phone: Device) -> None:
    """Bring the laptop back; both hold the edits of both."""
    laptop.start()
    wait_synced(laptop, phone)
    seen = [device.run("p2pvault", "get", "contacts/ada") for device in (laptop, phone)]
    for wanted in ("Ada Lovelace", "ada@analytical.example", "7946 0999", "1815"):
        expect(seen[0], wanted)
    notes = [device.run("p2pvault", "get", "notes/shopping", "body") for device in (laptop, phone)]
    expect(notes[0], f"^{MERGED}$")
    if seen[0] != seen[1] or notes[0] != notes[1]:
        raise SurpriseError("the two devices do not hold the same")


def prove(device: Device, other: Device) -> None:
    """Show that a device knows the other one to hold the same."""
    wait_synced(device, other)
    expect(device.run("p2pvault", "status"), SAME)


def wait_synced(device: Device, other: Device) -> None:
    """Wait until a device knows the other one to hold the same."""
    device.run("p2pvault", "wait", "--synced", other.name, "--timeout", "20")


def expect(shown: str, pattern: str) -> None:
    """Check what a command has shown."""
    if not re.search(pattern, shown, flags=re.MULTILINE):
        raise SurpriseError(f"{pattern!r} is not in what was shown")


def complain(error: SurpriseError, *devices: Device) -> int:
    """Say what was not as expected, with the ends of the logs that are about to go."""
    print(f"\nscripts/demo: {error}", file=sys.stderr)
    for device in devices:
        for line in device.log_lines():
            print(f"{device.name}, p2pvaultd: {line}", file=sys.stderr)
    return 1


def end(number: int, frame: FrameType | None) -> None:
    """Turn a signal into an orderly end."""
    del frame
    sys.exit(128 + number)


def ignore_signals() -> None:
    """Let nothing interrupt the cleaning up, which is bounded itself."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
