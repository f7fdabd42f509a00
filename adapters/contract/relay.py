"""A TCP (or Unix socket) relay between a client and a node that can lose answers: the node did it, the client never
hears of it. The one thing that tells an adapter which retries, or guesses, from one that does not.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

__all__ = ["Relay"]

Address = tuple[str, int] | str
_CHUNK = 1 << 16
_BACKLOG = 16


def _socket(address: Address) -> socket.socket:
    made = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM)
    if not isinstance(address, str):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


class Relay:
    """Listens at ``address`` and passes everything on to ``target`` and back. Use it as a context manager.

    After ``mute`` the client's bytes still reach the node, but of the connections there are nothing comes back; ``cut``
    closes them. Connections made later are served as before: a retry would get through.
    """

    def __init__(self, address: Address, target: Address) -> None:
        self.connections = 0
        self._target = target
        self._listener = _socket(address)
        self._listener.bind(address)
        self._listener.listen(_BACKLOG)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, socket.socket] = {}  # client's side -> node's side
        self._muted: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self._thread.join(5)

    def mute(self) -> None:
        """From now on no answer comes back over the present connections."""
        with self._lock:
            self._muted.update(self._open)

    def cut(self) -> None:
        """Close the present connections, both ends."""
        with self._lock:
            doomed, self._open = self._open, {}  # a muted one stays muted: its pump may have an answer in hand
        for near, far in doomed.items():
            for end in (near, far):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = _socket(self._target)
            try:
                far.connect(self._target)
            except OSError:
                near.close()
                far.close()
                continue
            with self._lock:
                self.connections += 1
                self._open[near] = far
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink, near), name="relay-pump", daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if source is near or near not in self._muted:
                    sink.sendall(data)
        with self._lock:
            self._open.pop(near, None)
            if source is not near:
                self._muted.discard(near)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        if source is near:  # the other pump may still write to these; it ends by the shutdown
            near.close()
        else:
            source.close()
