"""A small Raft: the server of toy_system.py, read by examples/codecs/my_codec.py.

    python toy_raft.py ADDRESS FOLDER NAME=PEER-ADDRESS …     (the first name is its own)

Peers speak length-prefixed JSON on port 7001 (Ongaro and Ousterhout 2014, figure 2), clients JSON lines on port 7000.
Every operation, reads too, goes through the log; a follower passes it on to the leader. No snapshots, no membership.
"""

import asyncio
import contextlib
import json
import os
import random
import struct
import sys
import time

CLIENTS, PEERS = 7000, 7001
TICK_S, ELECTION_S = 0.05, (0.4, 0.8)


class Journal:
    """Term, vote and log in one file of JSON lines, synced before anything is answered."""

    def __init__(self, path):
        self.term, self.voted, self.log = 0, None, []
        with contextlib.suppress(FileNotFoundError), open(path) as file:
            for line in file:
                with contextlib.suppress(ValueError):  # the last line, torn
                    self._take(json.loads(line))
        self._file = open(path, "a")  # noqa: SIM115 - as long as the node lives

    def _take(self, change):
        if "term" in change:
            self.term, self.voted = change["term"], change["voted"]
        if "place" in change:
            self.log[change["place"] :] = change["entries"]

    def write(self, **change):
        self._take(change)
        self._file.write(json.dumps(change) + "\n")
        self._file.flush()
        os.fdatasync(self._file.fileno())


def frame(kind, **fields):
    body = json.dumps({"type": kind, **fields}).encode()
    return struct.pack(">I", len(body)) + body


async def frames(reader):
    """The messages of a connection, until it ends."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            (size,) = struct.unpack(">I", await reader.readexactly(4))
            yield json.loads(await reader.readexactly(size))


class Node:
    def __init__(self, name, address, folder, peers):
        self.name, self.address, self.peers = name, address, peers
        os.makedirs(folder, exist_ok=True)
        self.journal = Journal(os.path.join(folder, "journal"))
        self.role, self.leader, self.votes = "follower", None, set()
        self.commit, self.applied, self.values, self.waiting = 0, 0, {}, {}
        self.next, self.match, self.links = {}, {}, {}
        self.put_off()

    def put_off(self):
        self.due = time.monotonic() + random.uniform(*ELECTION_S)

    def term_of(self, index):
        return self.journal.log[index - 1]["term"] if index else 0

    def seen(self, term):
        """A newer term makes anybody a follower."""
        if term > self.journal.term:
            self.journal.write(term=term, voted=None)
            self.role = "follower"
            for future in self.waiting.values():
                future.cancel()  # nobody knows what becomes of these
            self.waiting.clear()

    def stand(self):
        self.role, self.leader, self.votes = "candidate", None, {self.name}
        self.journal.write(term=self.journal.term + 1, voted=self.name)
        self.put_off()
        last = len(self.journal.log)
        for peer in self.peers:
            self.send(
                peer, "vote", term=self.journal.term, candidate=self.name, last=last, last_term=self.term_of(last)
            )

    def send(self, peer, kind, **fields):
        writer = self.links.get(peer)
        if writer is not None and writer.transport.get_write_buffer_size() < 1 << 20:
            writer.write(frame(kind, **fields))

    def replicate(self, peer):
        previous = self.next[peer] - 1
        self.send(
            peer, "append", term=self.journal.term, leader=self.name, previous=previous, commit=self.commit,
            previous_term=self.term_of(previous), entries=self.journal.log[previous : previous + 100],
        )  # fmt: skip

    def answer(self, m):
        """A peer's request: the answer to it."""
        self.seen(m["term"])
        term, log = self.journal.term, self.journal.log
        if m["type"] == "vote":
            fresh = (m["last_term"], m["last"]) >= (self.term_of(len(log)), len(log))
            granted = m["term"] == term and fresh and self.journal.voted in (None, m["candidate"])
            if granted:
                self.journal.write(term=term, voted=m["candidate"])
                self.put_off()
            return frame("voted", term=term, granted=granted)
        if m["term"] < term:
            return frame("appended", term=term, match=0, ok=False)
        self.role, self.leader = "follower", m["leader"]
        self.put_off()
        previous, entries = m["previous"], m["entries"]
        if previous > len(log) or self.term_of(previous) != m["previous_term"]:
            return frame("appended", term=term, match=min(previous - 1, len(log)), ok=False)
        for place, entry in enumerate(entries, previous):
            if place >= len(log) or log[place]["term"] != entry["term"]:
                self.journal.write(place=place, entries=entries[place - previous :])
                break
        self.apply(min(m["commit"], previous + len(entries)))
        return frame("appended", term=term, match=previous + len(entries), ok=True)

    def told(self, peer, m):
        """A peer's answer."""
        self.seen(m["term"])
        if m["term"] != self.journal.term:
            return
        if m["type"] == "voted" and m["granted"] and self.role == "candidate":
            self.votes.add(peer)
            if 2 * len(self.votes) > len(self.peers) + 1:
                self.role, self.leader = "leader", self.name
                self.next = dict.fromkeys(self.peers, len(self.journal.log) + 1)
                self.match = dict.fromkeys(self.peers, 0)
                self.propose({"op": "noop"})
        elif m["type"] == "appended" and self.role == "leader":
            if not m["ok"]:
                self.next[peer] = max(1, min(self.next[peer] - 1, m["match"] + 1))
                return
            self.match[peer] = max(self.match[peer], m["match"])
            self.next[peer] = self.match[peer] + 1
            agreed = sorted([*self.match.values(), len(self.journal.log)])[len(self.peers) - (len(self.peers) + 1) // 2]
            if agreed > self.commit and self.term_of(agreed) == self.journal.term:
                self.apply(agreed)

    def propose(self, command):
        """Append a command as leader; its place."""
        entry = {"term": self.journal.term, "command": command}
        self.journal.write(place=len(self.journal.log), entries=[entry])
        for peer in self.peers:
            self.replicate(peer)
        return len(self.journal.log)

    def apply(self, commit):
        self.commit = max(self.commit, commit)
        while self.applied < self.commit:
            self.applied += 1
            command, answer = self.journal.log[self.applied - 1]["command"], {}
            key, seen = command.get("key"), self.values.get(command.get("key"))
            if command["op"] == "read":
                answer = {"value": seen}
            elif command["op"] == "write":
                self.values[key] = command["value"]
            elif command["op"] == "cas" and seen != command["expected"]:
                answer = {"mismatch": True, "seen": seen}
            elif command["op"] == "cas":
                self.values[key] = command["new"]
            future = self.waiting.pop(self.applied, None)
            if future is not None and not future.done():
                future.set_result(answer)

    async def operate(self, request):
        """What becomes of a client's operation."""
        if request["op"] == "status":
            return {"leads": self.role == "leader", "term": self.journal.term}
        if self.role == "leader":
            command = {name: value for name, value in request.items() if name != "id"}
            future = asyncio.get_running_loop().create_future()
            self.waiting[self.propose(command)] = future
            try:
                return await asyncio.wait_for(future, 5)
            except (TimeoutError, asyncio.CancelledError):
                return {"error": "UNKNOWN"}
        if self.leader is None or "passed" in request:
            return {"error": "NO_LEADER"}
        try:
            reader, writer = await asyncio.wait_for(asyncio.open_connection(self.peers[self.leader], CLIENTS), 1)
        except (OSError, TimeoutError, KeyError):
            return {"error": "NO_LEADER"}
        with contextlib.closing(writer):
            writer.write(json.dumps({**request, "passed": True}).encode() + b"\n")
            try:
                return json.loads(await asyncio.wait_for(reader.readline(), 6))
            except (OSError, TimeoutError, ValueError):
                return {"error": "UNKNOWN"}

    async def client(self, reader, writer):
        with contextlib.suppress(OSError), contextlib.closing(writer):
            while line := await reader.readline():
                request = json.loads(line)
                answer = await self.operate(request)
                writer.write(json.dumps({**answer, "id": request["id"]}).encode() + b"\n")

    async def peer(self, reader, writer):
        with contextlib.closing(writer):
            async for message in frames(reader):
                if message["type"] != "hello":
                    writer.write(self.answer(message))

    async def dial(self, peer):
        """One connection to a peer at a time: requests go out, answers come back."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await asyncio.wait_for(asyncio.open_connection(self.peers[peer], PEERS), 1)
                writer.write(frame("hello", address=f"{self.address}:{PEERS}"))
                self.links[peer] = writer
                with contextlib.closing(writer):
                    async for message in frames(reader):
                        self.told(peer, message)
                self.links.pop(peer, None)
            await asyncio.sleep(0.1)

    async def run(self, listen):
        await asyncio.start_server(self.peer, listen, PEERS)
        await asyncio.start_server(self.client, listen, CLIENTS)
        dialling = [asyncio.create_task(self.dial(peer)) for peer in self.peers]
        while dialling:
            await asyncio.sleep(TICK_S)
            if self.role == "leader":
                for peer in self.peers:
                    self.replicate(peer)
            elif time.monotonic() > self.due:
                self.stand()


if __name__ == "__main__":
    (own, presented), *others = [word.split("=") for word in sys.argv[3:]]
    asyncio.run(Node(own, presented, sys.argv[2], dict(others)).run(sys.argv[1]))
