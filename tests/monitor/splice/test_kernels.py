"""Two real kernels' TCP, a splicer between them: packets go through TUN devices in two network namespaces."""

import contextlib
import fcntl
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time

import pytest

from raftmon.monitor.packets.view import PacketView
from raftmon.monitor.splice.splicer import Splicer
from raftmon.setup.namespaces import Network, in_namespace
from raftmon.setup.topology import Topology
from tests.monitor.live import until
from tests.monitor.splice.model import Pass, RandomEdits

pytestmark = pytest.mark.net

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 1, 0x1000
_PORT = 7000


def _tun(host: str, address: str) -> int:
    """A TUN device in a host's namespace; its descriptor."""
    with in_namespace(host):
        try:
            descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"splice0", _IFF_TUN | _IFF_NO_PI))
        except OSError as error:
            pytest.skip(f"/dev/net/tun cannot be used here: {error}")
        for command in (f"addr add {address}/24 dev splice0", "link set splice0 mtu 1500 up"):
            subprocess.run(["ip", *command.split()], check=True)
    return descriptor


class _Wire(threading.Thread):
    """Carries packets between the two devices, through the splicer, losing and doubling a share of them."""

    def __init__(self, descriptors, splicer, loss, seed):
        super().__init__(daemon=True)
        self._ends, self._splicer, self._loss = descriptors, splicer, loss
        self._rng = random.Random(seed)
        self.stopping = False
        self.failure = None
        self.resets = 0

    def run(self):
        try:
            while not self.stopping:
                ready, _, _ = select.select(self._ends, [], [], 0.005)
                for descriptor in ready:
                    self._take(self._ends.index(descriptor))
                self._write(self._splicer.tick(time.monotonic_ns()))
        except Exception as error:
            self.failure = error

    def _take(self, number):
        packet = os.read(self._ends[number], 1 << 16)
        if PacketView(packet).protocol != 6:
            return
        for _ in range(self._rng.choices((0, 1, 2), (self._loss, 1 - 1.5 * self._loss, self._loss / 2))[0]):
            outcome = self._splicer.packet(number == 0, packet, time.monotonic_ns())
            self._write([*([outcome.packet] if outcome.packet else []), *outcome.extra])

    def _write(self, packets):
        for packet in packets:
            self.resets += PacketView(packet).rst
            if self._rng.random() >= self._loss:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._ends[0 if PacketView(packet).target_address == "10.99.0.1" else 1], packet)


def _all_of(connection, data):
    """Send everything and read to the end, both at once."""

    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    got = b""
    while piece := connection.recv(1 << 16):
        got += piece
    sender.join()
    return got


@pytest.mark.parametrize(("size", "loss", "edit"), [(400_000, 0.0, True), (60_000, 0.02, True), (400_000, 0.0, False)])
def test_two_kernels_get_the_edited_streams_and_no_reset(size, loss, edit):
    rng = random.Random(size)
    policies = (RandomEdits(rng), RandomEdits(rng)) if edit else (Pass(), Pass())
    data = [rng.randbytes(size), rng.randbytes(size)]
    with Network(Topology.star(2, 1)), contextlib.ExitStack() as stack:
        ends = [_tun("n1", "10.99.0.1"), _tun("n2", "10.99.0.2")]
        for descriptor in ends:
            stack.callback(os.close, descriptor)
        splicer = Splicer(*policies)
        wire = _Wire(ends, splicer, loss, size)
        wire.start()
        with in_namespace("n2"):
            listening = socket.create_server(("10.99.0.2", _PORT))
        with in_namespace("n1"):
            dialled = socket.create_connection(("10.99.0.2", _PORT), timeout=30)
        accepted, _ = listening.accept()
        accepted.settimeout(30)
        got = [b"", b""]

        def serve():
            got[1] = _all_of(accepted, data[1])

        server = threading.Thread(target=serve)
        server.start()
        try:
            got[0] = _all_of(dialled, data[0])
            server.join(120)
            assert not server.is_alive(), "the stream did not end in two minutes"
            until(lambda: splicer.owned == 0)  # the last acknowledgement may still be on its way
        finally:
            wire.stopping = True
            wire.join()
            for one in (dialled, accepted, listening):
                one.close()
    assert wire.failure is None
    assert wire.resets == 0
    assert (policies[0].seen, policies[1].seen) == (data[0], data[1])
    assert got == [policies[1].edited, policies[0].edited]
    assert splicer.edited is edit
