"""A system of one's own in raftmon: all that it takes. my_server.py beside it is the system.

Try it:  python -m raftmon.adapters.contract examples/systems/my_system.py
         raftmon run --system examples/systems/my_system.py --fault none
"""

import os
import sys
from pathlib import Path

from raftmon.systems import Definite, Leadership, LineClient, NodeCommand, Row

PORT = 7000
SERVER = Path(__file__).with_name("my_server.py")
# Which errors mean that an operation certainly did not happen. Of any other, nobody knows.
OUTCOMES = (Row("NO_PRIMARY", "", True, "the node could not pass the request on"),)


class MySystem:
    name = "my-system"
    client_port = PORT  # lets the contract put a relay between a client and a node

    def command(self, node, topology, folder):
        """How to start one node. To its peers a node is known under its presented address."""
        primary = topology.nodes[0]
        where = str(folder / "values") if node == primary else f"{primary.presented}:{PORT}"
        search = os.pathsep.join(filter(None, sys.path))
        return NodeCommand(
            (sys.executable, str(SERVER), node.address, where), folder / "values", {"PYTHONPATH": search}
        )

    def ready(self, node, topology, timeout_s):
        """Ask the node itself."""
        client = self.connect(node, timeout_s)
        try:
            client.read("ready")
            return True
        except Definite:
            return False
        finally:
            client.close()

    def connect(self, node, timeout_s):
        """A client for one thread: read, write, cas and close. This one speaks lines of JSON; yours may be any."""
        return LineClient((node.address, PORT), timeout_s, OUTCOMES)

    def leadership(self, node, timeout_s):
        """Not needed; a capability. With it, faults that look for the leader find one (terms this system has none)."""
        return Leadership(leads=node.name == "n1", term=0)
