"""Packets on loopback, recorded through a ring that the kernel shares (packet(7), PACKET_RX_RING).

A socket's own buffer holds some 200 packets for an ordinary user and loses the rest when the
machine is busy. A ring belongs to the socket and has no such bound. Its layout is TPACKET_V3 of
linux/if_packet.h: blocks of packets that the kernel hands over when they are full, or old.
"""

import itertools
import mmap
import select
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Final

_ETH_P_ALL: Final = 3  # linux/if_ether.h
_SOL_PACKET: Final = 263  # linux/socket.h
_PACKET_RX_RING: Final = 5  # this and the rest: linux/if_packet.h
_PACKET_STATISTICS: Final = 6
_PACKET_VERSION: Final = 10
_TPACKET_V3: Final = 2
_STATUS_USER: Final = 1  # the block is ours; 0 gives it back
_OUTGOING: Final = 4  # packet(7): each packet on loopback is seen twice
_ETHERNET_BYTES: Final = 14

_BLOCK_BYTES: Final = 1024 * 1024
_BLOCKS: Final = 32
_FRAME_BYTES: Final = 2048
"""Has to divide a block; V3 packs packets of any size."""

_BLOCK_AGE_MS: Final = 250
"""A block is handed over when it is this old: 8 s until the ring is full, if nobody reads it."""

_STATUS_AT: Final = 8
_BLOCK: Final = struct.Struct("=12xII")  # number of packets, offset of the first
_PACKET: Final = struct.Struct("=I8xI8xH")  # next offset, bytes held, offset of the frame
_KIND_AT: Final = 48 + 10  # sll_pkttype of the address behind the header

_LAST: Final = b"the recording ends here"


class Recorder:
    """Records what leaves through loopback until it is stopped."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._socket.setsockopt(_SOL_PACKET, _PACKET_VERSION, _TPACKET_V3)
        frames = _BLOCKS * _BLOCK_BYTES // _FRAME_BYTES
        ring = (_BLOCK_BYTES, _BLOCKS, _FRAME_BYTES, frames, _BLOCK_AGE_MS, 0, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_RX_RING, struct.pack("=7I", *ring))
        self._ring = mmap.mmap(self._socket.fileno(), _BLOCKS * _BLOCK_BYTES)
        self._socket.bind(("lo", 0))
        self._packets: list[bytes] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def stop(self) -> list[bytes]:
        """Stop at the packet sent now, and return all IP packets up to it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(_LAST, ("127.0.0.1", 9))
        self._thread.join(30.0)
        _, dropped, _ = struct.unpack(
            "III", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 12)
        )
        assert dropped == 0, "the recording has holes"
        assert not self._thread.is_alive(), "the recording has no end"
        self._ring.close()
        self._socket.close()
        return self._packets

    def _read(self) -> None:
        for number in itertools.cycle(range(_BLOCKS)):
            packets = self._block(number * _BLOCK_BYTES)
            self._packets += packets
            if any(_LAST in packet for packet in packets):
                return

    def _block(self, base: int) -> list[bytes]:
        """Wait for a block, take what is in it, and give it back."""
        while not self._ring[base + _STATUS_AT] & _STATUS_USER:
            select.select([self._socket], [], [])
        count, first = _BLOCK.unpack_from(self._ring, base)
        packets = list(self._outgoing(base + first, count))
        struct.pack_into("=I", self._ring, base + _STATUS_AT, 0)
        return packets

    def _outgoing(self, at: int, count: int) -> Iterator[bytes]:
        for _ in range(count):
            following, held, frame = _PACKET.unpack_from(self._ring, at)
            if self._ring[at + _KIND_AT] == _OUTGOING:
                start = at + frame + _ETHERNET_BYTES
                yield self._ring[start : start + held - _ETHERNET_BYTES]
            at += following
