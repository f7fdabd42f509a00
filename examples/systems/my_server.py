"""The system under test of my_system.py: n1 keeps the values in a file, the other nodes pass requests on to it.

python my_server.py ADDRESS FILE-or-ADDRESS:PORT. It is consistent, and useless as soon as n1 cannot be reached.
"""

import json
import socketserver
import sqlite3
import sys
import threading

from raftmon.adapters.base import Definite
from raftmon.adapters.line_client import LineClient

PORT = 7000


def keep(values, request):
    key, found = request["key"], values.execute("SELECT value FROM v WHERE key = ?", (request["key"],)).fetchone()
    seen = json.loads(found[0]) if found else None
    if request["op"] == "read":
        return {"value": seen}
    if request["op"] == "cas" and json.dumps(seen) != json.dumps(request["expected"]):
        return {"mismatch": True, "seen": seen}
    new = request["value" if request["op"] == "write" else "new"]
    values.execute("INSERT OR REPLACE INTO v VALUES (?, ?)", (key, json.dumps(new)))
    values.commit()
    return {}


def serve(address, where):
    host, _, port = where.rpartition(":")  # empty if this node is n1, and ``where`` a file
    values, lock = sqlite3.connect(where if not host else ":memory:", check_same_thread=False), threading.Lock()
    values.execute("CREATE TABLE IF NOT EXISTS v (key PRIMARY KEY, value)")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            primary = LineClient((host, int(port)), 10.0) if host else None
            for request in map(json.loads, self.rfile):
                try:
                    if primary:
                        body = {name: value for name, value in request.items() if name != "id"}
                        answer = primary.ask(body, read=request["op"] == "read")
                    else:
                        with lock:
                            answer = keep(values, request)
                except Definite:
                    answer = {"error": "NO_PRIMARY"}
                self.wfile.write(json.dumps({**answer, "id": request["id"]}).encode() + b"\n")

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer((address, PORT), Handler).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
