"""The command that repeats a run: a RunConfig as the options of ``raftmon run``."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from raftmon.driver.run.config import RunConfig

__all__ = ["options_of"]

_TEXTS = {
    "system": "--system",
    "server": "--server",
    "topology": "--topology",
    "workload": "--workload",
    "arrival": "--arrival",
    "pin": "--pin",
    "name": "--name",
    "faults": "--fault",
}
_NUMBERS = {
    "nodes": "--nodes",
    "clients": "--clients",
    "client_hosts": "--client-hosts",
    "keys": "--keys",
    "rate": "--rate",
}
_TIMES = {"duration_s": "--duration", "mtbf_s": "--mtbf", "op_timeout_s": "--op-timeout"}
_FLAGS = {"keep_data": "--keep-data", "strict": "--strict", "transparent": "--transparent"}
_LISTS = {
    "rules": "--rule",
    "scripts": "--rules",
    "codecs": "--codec",
    "server_flags": "--server-flag",
    "workload_options": "--workload-option",
}


def _plain(number: float) -> str:
    return f"{number:.6f}".rstrip("0").rstrip(".")


def options_of(config: RunConfig) -> list[str]:
    """The options of ``raftmon run`` that make this configuration, seed included; defaults are left out."""
    plain = RunConfig()
    found: list[str] = []
    for table in (_TEXTS, _NUMBERS):
        for field, option in table.items():
            value = getattr(config, field)
            if value != getattr(plain, field):
                found += [option, f"{value}"]
    for field, option in _TIMES.items():
        value = getattr(config, field)
        if value != getattr(plain, field):
            found += [option, f"{_plain(value)}s"]
    if config.servers:
        words = [f"{node}={spec}" for node, spec in config.servers.items()]
        at = found.index("--server") if "--server" in found else None
        rest = [found[at + 1]] if at is not None else []
        if at is not None:
            del found[at : at + 2]
        found += ["--server", ",".join([*words, *rest])]
    found += [option for field, option in _FLAGS.items() if getattr(config, field)]
    for field, option in _LISTS.items():
        for value in getattr(config, field):
            found += [f"{option}={value}"]  # it may begin with a dash
    found += _rest(config)
    return [*found, "--seed", config.seed]


def _rest(config: RunConfig) -> Iterator[str]:
    for name, value in config.options.items():
        if name == "lie" and isinstance(value, list):
            yield f"--lie={','.join(value)}"
        elif name != "lie_seed":  # it is the seed
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            yield f"--system-option={name}={text}"
    if config.link_latency_ms:
        yield f"--link-latency={_plain(config.link_latency_ms)}ms"
    if config.link_jitter_ms:
        yield f"--link-jitter={_plain(config.link_jitter_ms)}ms"
    if config.link_loss_percent:
        yield f"--link-loss={_plain(config.link_loss_percent)}%"
    if not config.monitored:
        yield "--no-monitor"
    if not config.record:
        yield "--no-record"
