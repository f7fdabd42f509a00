"""``python -m tests.monitor.rootless_queue FOLDER``, in a sandbox: two monitors, the second of which loses packets.

Prints the counters of both as one JSON object. For test_rootless.py, which runs it without privilege.
"""

import os
import signal
import socket
import sys
from pathlib import Path

import orjson

from raftmon.setup.namespaces import in_namespace
from tests.monitor.live import PORT, Live, echo, exchange, until

BURST = 10_000  # more than a socket buffer of the size that a user without privilege may have can hold


def quiet(folder):
    """The counters of a run that loses nothing."""
    with Live(folder) as live:
        dialled, accepted = live.connect()
        echo(accepted)
        exchange(dialled, b"x" * 10_000)
        return live.finish()


def overrun(folder):
    """The counters of a run whose monitor stands still while packets come."""
    with Live(folder) as live:
        node = live.topology.host("n2")
        with in_namespace("n2"):
            receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            receiver.bind((node.address, PORT))  # so that nothing is sent back
        with in_namespace("n1"):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def send(data):
            sender.sendto(data, (node.presented, PORT))

        def seen():
            return live.client.stats()["links"]["n1->n2"]

        with receiver, sender:
            send(b"first")
            until(lambda: seen() == 1)
            os.kill(live.process.pid, signal.SIGSTOP)
            for _ in range(BURST):
                send(b"x" * 1400)
            os.kill(live.process.pid, signal.SIGCONT)
            until(lambda: seen() + live.client.stats()["queue_user_dropped"] == BURST + 1)
            send(b"last")  # a gap in the numbers shows when a later packet has come
            until(lambda: live.client.stats()["queue_id_gaps"])
            return live.finish()


def main(folder):
    """Run both."""
    for name in ("quiet", "overrun"):
        (folder / name).mkdir()
    found = {"quiet": quiet(folder / "quiet"), "overrun": overrun(folder / "overrun")}
    print(orjson.dumps(found).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
