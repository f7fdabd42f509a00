"""What an etcd log entry asks for (etcd api/etcdserverpb/raft_internal.proto, raftpb's ConfChange, the v2 Request)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from raftmon.monitor.raft.codecs.protobuf import VARINT, Malformed, Varints, fields
from raftmon.monitor.raft.message import LoggedOperation

__all__ = ["conf_change_member", "published_name", "read_entry_data"]

_NAMES = {
    3: "range",
    4: "put",
    5: "delete_range",
    6: "txn",
    7: "compaction",
    8: "lease_grant",
    9: "lease_revoke",
    10: "alarm",
    11: "lease_checkpoint",
    1000: "auth_enable",
    1011: "auth_disable",
    1012: "authenticate",
    1013: "auth_status",
    1100: "user_add",
    1101: "user_delete",
    1102: "user_get",
    1103: "user_change_password",
    1104: "user_grant_role",
    1105: "user_revoke_role",
    1106: "user_list",
    1107: "role_list",
    1200: "role_add",
    1201: "role_delete",
    1202: "role_get",
    1203: "role_grant_permission",
    1204: "role_revoke_permission",
    1300: "cluster_version_set",
    1301: "cluster_member_attr_set",
    1302: "downgrade_info_set",
}
_V2_METHODS = {b"PUT", b"POST", b"DELETE", b"QGET", b"SYNC"}
_CONF_CHANGES = {0: "add_node", 1: "remove_node", 2: "update_node", 3: "add_learner"}
_SIZE = rb"([\x80-\xff]{0,3}[\x00-\x7f])"
# A put with an optional lease, and the header that etcd writes behind it: the common entry, at C speed.
_PUT = re.compile(rb"(?:\x08" + VARINT + rb")?\x22" + _SIZE + rb"\x0a" + _SIZE, re.DOTALL).match
_HEADER = re.compile(rb"\xa2\x06([\x00-\x7f])\x08" + VARINT, re.DOTALL).match
_ATTRIBUTES = re.compile(r"^/0/members/([0-9a-f]+)/attributes$")
_NOOP = (LoggedOperation("noop"),)
_number = Varints()


def read_entry_data(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    """What the entry of this type asks for; bytes that cannot be read come back as one ``opaque`` operation."""
    try:
        if kind:
            return _conf_change(kind, data)
        return (_fast_put(data) or _request(data)) if data else _NOOP
    except (Malformed, UnicodeDecodeError):
        return (LoggedOperation("opaque", value=data),)


def _fast_put(data: bytes) -> tuple[LoggedOperation, ...] | None:
    match = _PUT(data)
    if match is None:
        return None
    ident, size, key_size = match.groups()
    end = match.start(3) - 1 + _number[size]
    key_end = match.end() + _number[key_size]
    if key_end >= end or end > len(data) or data[key_end] != 0x12:
        return None
    place = key_end + 1
    value_size = shift = 0
    while place < end:
        byte = data[place]
        place += 1
        value_size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if place + value_size != end:
        return None
    header = _HEADER(data, end)
    if header is None or header.end(1) + header.group(1)[0] != len(data):
        return None
    request_id = _number[header.group(2)] or (_number[ident] if ident else 0)
    return (LoggedOperation("put", data[match.end() : key_end], data[place:end], request_id),)


def _request(data: bytes) -> tuple[LoggedOperation, ...]:
    found = dict(fields(data))
    method = found.get(2)
    if isinstance(method, bytes) and method in _V2_METHODS:
        path, value, ident = found.get(3, b""), found.get(4, b""), found.get(1, 0)
        if not isinstance(path, bytes) or not isinstance(value, bytes) or not isinstance(ident, int):
            raise Malformed("a v2 request has a field of the wrong type")
        return (LoggedOperation("v2_" + method.decode().lower(), path, value, ident),)
    request_id = 0
    header = found.get(100)
    if isinstance(header, bytes):
        ident = dict(fields(header)).get(1, 0)
        request_id = ident if isinstance(ident, int) else 0
    elif isinstance(first := found.get(1), int):
        request_id = first
    operations: list[LoggedOperation] = []
    for number, body in found.items():
        if number in _NAMES and isinstance(body, bytes):
            operations += _operation(_NAMES[number], body, request_id)
        elif number not in (1, 100):
            raise Malformed(f"a request has no field {number}")
    return tuple(operations) or (LoggedOperation("empty", request_id=request_id),)


def _operation(name: str, body: bytes, request_id: int, depth: int = 0) -> Iterator[LoggedOperation]:
    found = dict(fields(body)) if name != "txn" else {}

    def raw(number: int) -> bytes:
        value = found.get(number, b"")
        return value if isinstance(value, bytes) else b""

    if name == "put":
        lease = found.get(3, 0)
        yield LoggedOperation(
            name, raw(1), raw(2), request_id, f"lease {lease:x}" if isinstance(lease, int) and lease else ""
        )
    elif name in ("range", "delete_range"):
        yield LoggedOperation(name, raw(1), b"", request_id, f"to {raw(2)!r}" if raw(2) else "")
    elif name == "txn":
        if depth > 8:
            raise Malformed("transactions nest deeper than 8")
        yield from _transaction(body, request_id, depth)
    elif name == "lease_grant":
        yield LoggedOperation(name, b"", b"", request_id, f"ttl {found.get(1, 0)!r} s, lease {_hex(found.get(2, 0))}")
    elif name == "lease_revoke":
        yield LoggedOperation(name, b"", b"", request_id, f"lease {_hex(found.get(1, 0))}")
    elif name == "compaction":
        yield LoggedOperation(name, b"", b"", request_id, f"revision {found.get(1, 0)!r}")
    else:
        yield LoggedOperation(name, b"", body, request_id)


def _hex(value: int | bytes) -> str:
    return f"{value:x}" if isinstance(value, int) else value.hex()


def _transaction(body: bytes, request_id: int, depth: int) -> Iterator[LoggedOperation]:
    """The txn itself, then the operations of its two branches: which one ran is not on the wire."""
    compares = 0
    inner: list[LoggedOperation] = []
    for number, part in fields(body):
        if number == 1:
            compares += 1
        elif number in (2, 3) and isinstance(part, bytes):
            branch = "then" if number == 2 else "else"
            for kind, nested in fields(part):
                name = {1: "range", 2: "put", 3: "delete_range", 4: "txn"}.get(kind)
                if name is None or not isinstance(nested, bytes):
                    raise Malformed(f"a transaction has no operation {kind}")
                for operation in _operation(name, nested, request_id, depth + 1):
                    inner.append(
                        LoggedOperation(
                            f"txn_{operation.name}" if name != "txn" else operation.name,
                            operation.key,
                            operation.value,
                            request_id,
                            branch,
                        )
                    )
        else:
            raise Malformed(f"a transaction has no field {number}")
    yield LoggedOperation("txn", b"", b"", request_id, f"{compares} compares, {len(inner)} operations")
    yield from inner


def _conf_change(kind: int, data: bytes) -> tuple[LoggedOperation, ...]:
    if kind == 1:
        found = dict(fields(data))
        change, node, context = found.get(2, 0), found.get(3, 0), found.get(4, b"")
        if not isinstance(change, int) or not isinstance(node, int) or not isinstance(context, bytes):
            raise Malformed("a configuration change has a field of the wrong type")
        name = _CONF_CHANGES.get(change, f"change_{change}")
        return (LoggedOperation("conf_change", f"{node:x}".encode(), context, 0, name),)
    changes = []
    for number, part in fields(data):
        if number == 2 and isinstance(part, bytes):
            found = dict(fields(part))
            change, node = found.get(1, 0), found.get(2, 0)
            if isinstance(change, int) and isinstance(node, int):
                changes.append(
                    LoggedOperation(
                        "conf_change", f"{node:x}".encode(), b"", 0, _CONF_CHANGES.get(change, f"change_{change}")
                    )
                )
    return tuple(changes) or (LoggedOperation("conf_change", detail="leave joint"),)


def published_name(operation: LoggedOperation) -> tuple[int, str] | None:
    """(node id, name) where the operation is a member publishing its attributes, as 3.4 and 3.5 do it."""
    if operation.name != "v2_put":
        return None
    match = _ATTRIBUTES.match(operation.key.decode("utf-8", "replace"))
    found = re.search(rb'"name":"([^"\\]*)"', operation.value)
    return (int(match[1], 16), found[1].decode("utf-8", "replace")) if match and found and len(match[1]) <= 16 else None


def conf_change_member(operation: LoggedOperation) -> tuple[int, bytes] | None:
    """(node id, its Member as JSON) where the operation adds or updates a member."""
    if operation.name != "conf_change" or operation.detail == "remove_node" or not operation.key:
        return None
    return int(operation.key, 16), operation.value
