"""RabbitMQ's quorum queues: one broker a node, clustered over Erlang's distribution; each queue is a Raft group.

Brokers are ``rabbit@n1`` …; each resolves the others' names to their presented addresses by its own table
(``ERL_INETRC``), so all that they say to each other goes through the monitor. Its Raft messages are Erlang terms inside
Erlang's distribution protocol, which raftmon does not decode.
"""

from __future__ import annotations

import base64
import http.client
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from raftmon.adapters.asking import ask_until
from raftmon.adapters.base import Client, NodeCommand
from raftmon.adapters.capabilities import Leadership
from raftmon.adapters.options import Options
from raftmon.setup.errors import InputError
from raftmon.setup.topology import Host, Topology

__all__ = ["CLIENT_PORT", "MANAGEMENT_PORT", "PEER_PORT", "RabbitMqAdapter", "leads"]

CLIENT_PORT = 5672
PEER_PORT = 25672
MANAGEMENT_PORT = 15672
PROBE = "raftmon-ready"
_GUEST = "Basic " + base64.b64encode(b"guest:guest").decode()
_ASK_AGAIN_S = 0.2
_COOKIE = "raftmon"
_HANDLING = ("ignore", "pause_minority", "autoheal")


class RabbitMqAdapter:
    """A cluster of brokers.

    Options: ``server`` (path of the launcher that ``raftmon servers install rabbitmq`` makes), ``tick_s`` (default 5:
    after so long a silence a broker takes another for dead; RabbitMQ's own default is 60), ``partitions``
    (``pause_minority``, as RabbitMQ recommends; ``ignore``, its default; ``autoheal``).
    """

    name = "rabbitmq"
    nodes_needed = True
    client_port = CLIENT_PORT
    peer_port = PEER_PORT

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        given = Options(self.name, options)
        self._server = given.text("server", None)
        self._tick_s = given.number("tick_s", 5, least=1)
        self._partitions = given.text("partitions", "pause_minority") or "pause_minority"
        given.done()
        if self._partitions not in _HANDLING:
            raise InputError(f"rabbitmq: partitions={self._partitions} is unknown (available: {', '.join(_HANDLING)})")

    def command(self, node: Host, topology: Topology, folder: Path) -> NodeCommand:
        """``rabbitmq.conf``, the table of names and Erlang's cookie go to the node's folder."""
        found = shutil.which(self._server or "rabbitmq-server")
        if found is None:
            given = f"{self._server!r} is no program" if self._server else "there is no rabbitmq-server on PATH"
            raise InputError(f"{given}: run `raftmon servers install rabbitmq`, or give --server a launcher's path")
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (folder / "rabbitmq.conf").write_text(self._configuration(node, topology))
        (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        names = [f'{{host,{{{node.address.replace(".", ",")}}},["{node.name}"]}}.']
        for host in topology.nodes:
            if host.name != node.name:
                names.append(f'{{host,{{{host.presented.replace(".", ",")}}},["{host.name}"]}}.')
        table = ["{lookup,[file]}.", '{host,{127,0,0,1},["localhost"]}.', *names]
        (folder / "inetrc").write_text("\n".join(table) + "\n")
        cookie = data / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(_COOKIE)
            cookie.chmod(0o400)
        flags = f"-kernel net_ticktime {self._tick_s} -aten poll_interval 1000"
        env = {
            "HOME": str(data),
            "ERL_INETRC": str(folder / "inetrc"),
            "RABBITMQ_NODENAME": f"rabbit@{node.name}",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_MNESIA_BASE": str(data),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": flags,
            "ERL_CRASH_DUMP": "/dev/null",
        }
        return NodeCommand((found,), data, env)

    def _configuration(self, node: Host, topology: Topology) -> str:
        lines = [
            "loopback_users = none",
            f"management.tcp.ip = {node.address}",
            f"management.tcp.port = {MANAGEMENT_PORT}",
            "log.console.level = info",
            f"cluster_partition_handling = {self._partitions}",
            "cluster_formation.peer_discovery_backend = classic_config",
            *(
                f"cluster_formation.classic_config.nodes.{number} = rabbit@{host.name}"
                for number, host in enumerate(topology.nodes, 1)
            ),
        ]
        return "\n".join(lines) + "\n"

    def ready(self, node: Host, topology: Topology, timeout_s: float) -> bool:
        """A client can log in and declare the queue that shows whether the node is in the cluster."""
        from raftmon.adapters.rabbitmq_client import serves

        target, count = f"{node.address}:{CLIENT_PORT}", len(topology.nodes)
        return ask_until(lambda left_s: serves(target, max(left_s, 0.1), count), timeout_s, _ASK_AGAIN_S)

    def connect(self, node: Host, timeout_s: float) -> Client:
        """A client of that node alone."""
        from raftmon.adapters.rabbitmq_client import RabbitMqClient

        return RabbitMqClient(f"{node.address}:{CLIENT_PORT}", timeout_s)

    def client_class(self) -> type:
        """What ``connect`` returns: its capabilities can be asked without a connection."""
        from raftmon.adapters.rabbitmq_client import RabbitMqClient

        return RabbitMqClient

    def log_files(self, data: Path) -> list[Path]:
        """The log that all quorum queues of a broker share (Ra's); ``WriteAheadLog``."""
        return sorted(data.glob("rabbit@*/quorum/rabbit@*/*.wal"))

    def leadership(self, node: Host, timeout_s: float) -> Leadership | None:
        """Whether the broker says that it leads the first queue, by its management plugin; it tells no term: 0."""
        connection = http.client.HTTPConnection(node.address, MANAGEMENT_PORT, timeout=timeout_s)
        try:
            connection.request("GET", "/api/queues", headers={"Authorization": _GUEST})
            return leads(f"rabbit@{node.name}", orjson.loads(connection.getresponse().read()))
        except (OSError, http.client.HTTPException, orjson.JSONDecodeError):
            return None
        finally:
            connection.close()


def leads(broker: str, queues: Any) -> Leadership | None:
    """Whether ``broker`` leads the first quorum queue of ``/api/queues``, None where there is none.

    Every queue is a Raft group of its own; the first by name stands for all. The queue that only shows whether a broker
    serves counts where there is no other.
    """
    found = [one for one in queues if isinstance(one, dict) and one.get("leader")] if isinstance(queues, list) else []
    found.sort(key=lambda one: (one.get("name") == PROBE, str(one.get("name"))))
    return Leadership(found[0]["leader"] == broker, 0) if found else None
