"""A Raft of one's own in raftmon, read and ruled like etcd: its server is toy_raft.py, its codec my_codec.py.

raftmon run --system examples/systems/toy_system.py --codec examples/codecs/my_codec.py
raftmon run --system … --codec … --rule 'MsgVoteResp drop 20%'
"""

import sys
from pathlib import Path

from raftmon.systems import Definite, Leadership, LineClient, NodeCommand, Row

PORT = 7000
SERVER = Path(__file__).with_name("toy_raft.py")
OUTCOMES = (Row("NO_LEADER", "", True, "the node had not passed the request on"),)


class ToySystem:
    name = "my-raft"
    client_port = PORT

    def command(self, node, topology, folder):
        """How to start one node: its peers are known under their presented addresses."""
        others = [other for other in topology.nodes if other != node]
        peers = [f"{one.name}={one.presented}" for one in (node, *others)]
        data = folder / "data"
        return NodeCommand((sys.executable, str(SERVER), node.address, str(data), *peers), data, {})

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
        """A client for one thread."""
        return LineClient((node.address, PORT), timeout_s, OUTCOMES)

    def leadership(self, node, timeout_s):
        """A capability: faults that look for the leader find it, and its term."""
        client = LineClient((node.address, PORT), timeout_s, OUTCOMES)
        try:
            said = client.ask({"op": "status"}, read=True)
        finally:
            client.close()
        return Leadership(leads=said["leads"], term=said["term"])
