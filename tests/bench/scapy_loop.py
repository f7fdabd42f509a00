"""What most people write first: NetfilterQueue with scapy's dissection. ``scapy_loop.py QUEUE``; says "ready"."""

import sys

from netfilterqueue import NetfilterQueue
from scapy.layers.inet import IP, TCP


def judge(packet):
    """Look at who talks to whom, accept."""
    ip = IP(packet.get_payload())
    if TCP in ip and ip[TCP].dport == 1 and ip.src == "10.0.0.1":
        packet.drop()
    else:
        packet.accept()


queue = NetfilterQueue()
queue.bind(int(sys.argv[1]), judge)
print("ready", flush=True)
queue.run()
