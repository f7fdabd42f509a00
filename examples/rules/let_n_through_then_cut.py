"""Let the first 100 packets of a link through, cut it for two seconds, and begin again: a link that keeps failing.

Each link has its own counter. Change the numbers in ``configure`` while it runs, and save.
"""

from raftmon.rules import drop


class LetNThroughThenCut:
    match = "tcp"

    def __init__(self):
        self.left = {}  # link: packets that may still pass
        self.cut_until_ns = {}

    def configure(self, context):
        self.packets = int(context.options.get("packets", 100))
        self.cut_ns = round(float(context.options.get("cut_s", 2)) * 1e9)

    def packet(self, view):
        link = view.link
        if view.now_ns < self.cut_until_ns.get(link, 0):
            return drop()
        left = self.left.get(link, self.packets)
        if left > 0:
            self.left[link] = left - 1
            return None
        self.left[link] = self.packets
        self.cut_until_ns[link] = view.now_ns + self.cut_ns
        return drop()
