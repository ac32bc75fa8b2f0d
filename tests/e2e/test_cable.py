"""The cables between network namespaces do what they are told, and nothing else."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random

import pytest

import harness
from harness import netns
from harness.cable import Cable
from harness.cable_host import Quality, inside
from harness.netns import LINK, Host

REASON = netns.line_unavailable()

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(REASON is not None, reason=REASON or ""),
]

PROTOCOL = 0x88B5
"""For experiments (IEEE 802): nothing of the hosts sends or answers it."""

HEADER = b"\xff" * 6 + b"\x02" * 6 + PROTOCOL.to_bytes(2, "big")
FRAME_BYTES_MAX = 1_514
RECEIVE_BUFFER = 33
"""SO_RCVBUFFORCE of asm-generic/socket.h."""

HANG_S = 20.0
MDNS = ("224.0.0.251", 5353)

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture(scope="module")
def line() -> Iterator[tuple[Sequence[Host], Sequence[Cable]]]:
    with netns.line(2) as made:
        yield made


@pytest.fixture
def cable(line: tuple[Sequence[Host], Sequence[Cable]]) -> Iterator[Cable]:
    (made,) = line[1]
    yield made
    made.mend()
    made.become(Quality())


@pytest.fixture
def ends(line: tuple[Sequence[Host], Sequence[Cable]]) -> Iterator[Ends]:
    with ExitStack() as stack:
        left, right = (stack.enter_context(raw_socket(host)) for host in line[0])
        yield left, right


def raw_socket(host: Host) -> socket.socket:
    with inside(host.namespace):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    made.setsockopt(socket.SOL_SOCKET, RECEIVE_BUFFER, 1 << 22)
    made.bind((LINK, PROTOCOL))
    made.settimeout(HANG_S)
    return made


def send(end: socket.socket, number: int, body: bytes = b"") -> bytes:
    frame = HEADER + number.to_bytes(4, "big") + body
    end.send(frame)
    return frame


def numbers(end: socket.socket, last: int) -> list[int]:
    """Receive up to a frame that certainly arrives, and is left out; return the numbers."""
    received: list[int] = []
    while (number := int.from_bytes(end.recv(FRAME_BYTES_MAX)[14:18], "big")) != last:
        received.append(number)
    return received


def through(cable: Cable, ends: Ends, quality: Quality, count: int) -> list[int]:
    """Send frames from left to right; return the numbers of those that arrive, as they do."""
    left, right = ends
    cable.become(quality)
    for number in range(count):
        send(left, number)
        if number % 100 == 0:
            cable.count()  # The hosts' own queues lose what does not fit.
    # What is under way has other dues than what follows.
    cable.become(Quality(delay_s=2 * (quality.delay_s + quality.jitter_s)))
    send(left, count)
    return numbers(right, count)


def test_a_perfect_cable_carries_everything_unchanged(cable: Cable, ends: Ends) -> None:
    random = Random(0)
    most = FRAME_BYTES_MAX - len(HEADER) - 4
    sizes = [0, 1, most, *(random.randrange(most) for _ in range(97))]
    for one, other in (ends, ends[::-1]):
        sent = [send(one, number, random.randbytes(size)) for number, size in enumerate(sizes)]
        assert [other.recv(FRAME_BYTES_MAX + 1) for _ in sent] == sent


def test_multicast_passes(cable: Cable, line: tuple[Sequence[Host], Sequence[Cable]]) -> None:
    left, right = line[0]
    with inside(left.namespace):
        sender = socket.socket(type=socket.SOCK_DGRAM)
    with inside(right.namespace):
        receiver = socket.socket(type=socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.settimeout(HANG_S)
        receiver.bind(("", MDNS[1]))
        group = socket.inet_aton(MDNS[0]) + socket.inet_aton(right.host)
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(left.host))
        sender.sendto(b"who is there?", MDNS)
        heard, (host, _) = receiver.recvfrom(64)
    assert (heard, host) == (b"who is there?", left.host)


def test_so_many_frames_are_lost_as_were_asked_for(cable: Cable, ends: Ends) -> None:
    before = cable.count()
    arrived = through(cable, ends, Quality(loss=0.2, seed=7), 1_000)
    # Four times the deviation of 1 000 draws: 12.6.
    assert 750 <= len(arrived) <= 850
    assert arrived == sorted(arrived)
    after = cable.count()
    assert after.carried - before.carried >= len(arrived)
    assert after.lost - before.lost >= 1_000 - len(arrived)


def test_no_frame_comes_earlier_than_the_delay(cable: Cable, ends: Ends) -> None:
    left, right = ends
    cable.become(Quality(delay_s=0.03, jitter_s=0.01))
    sent = []
    for number in range(100):
        sent.append(time.monotonic())
        send(left, number)
    for number in range(100):
        assert int.from_bytes(right.recv(FRAME_BYTES_MAX)[14:18], "big") == number
        assert time.monotonic() - sent[number] >= 0.02


def test_later_frames_overtake_others(cable: Cable, ends: Ends) -> None:
    arrived = through(cable, ends, Quality(delay_s=0.02, reorder=0.2), 200)
    assert sorted(arrived) == list(range(200))
    assert arrived != sorted(arrived)


def test_nothing_passes_a_cut_cable_until_it_is_mended(cable: Cable, ends: Ends) -> None:
    cable.become(Quality(delay_s=60.0))
    send(ends[0], 0)
    cable.cut()  # What was under way is gone, too.
    cable.become(Quality())
    for one in ends:
        send(one, 1)
    cable.mend()
    for one, other in (ends, ends[::-1]):
        send(one, 2)
        assert numbers(other, last=2) == []


def test_a_cable_to_a_host_whose_link_is_down_goes_on(
    cable: Cable, line: tuple[Sequence[Host], Sequence[Cable]]
) -> None:
    left, right = line[0]
    right.down()
    with raw_socket(left) as sender:
        send(sender, 0)
        cable.count()
        right.up()
        with raw_socket(right) as receiver:
            send(sender, 1)
            assert numbers(receiver, last=1) == []


def test_a_cable_ends_with_whoever_opened_it(line: tuple[Sequence[Host], Sequence[Cable]]) -> None:
    left, right = (host.namespace for host in line[0])
    script = f"""
from harness.cable import open_cable
with open_cable(({left!r}, "short0"), ({right!r}, "short0")) as cable:
    print(cable.pid, flush=True)
    input()
"""
    opener = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(harness.__path__[0]).parent,
    )
    with opener:
        assert opener.stdout is not None
        cable = os.pidfd_open(int(opener.stdout.readline()))
        opener.send_signal(signal.SIGKILL)
    try:
        assert select.select([cable], [], [], HANG_S)[0], "the cable goes on"
    finally:
        os.close(cable)
    assert "short0" not in line[0][0].run("ip", "link")
