"""A slow line: a millisecond for every 100 bytes, so that snapshots and big batches crawl and heartbeats do not.

raftmon run --rules examples/rules/delay_by_size.py
"""

from raftmon.rules import delay

bytes_per_ms = 100.0


def configure(context):
    global bytes_per_ms
    bytes_per_ms = float(context.options.get("bytes_per_ms", bytes_per_ms))


def packet(view):
    return delay(view.size / bytes_per_ms)
