"""The tables of ``messages.sqlite`` (docs/messages.md)."""

from __future__ import annotations

__all__ = ["INDEXES", "LIVE_INDEXES", "SCHEMA_VERSION", "TABLES"]

SCHEMA_VERSION = 1

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE channels (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, system TEXT NOT NULL, source TEXT, target TEXT,
    source_address TEXT NOT NULL, target_address TEXT NOT NULL
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, kind TEXT NOT NULL, source TEXT, target TEXT,
    term INTEGER NOT NULL, log_term INTEGER NOT NULL, log_index INTEGER NOT NULL, commit_index INTEGER NOT NULL,
    entries INTEGER NOT NULL, first_index INTEGER, last_index INTEGER, reject INTEGER NOT NULL,
    reject_hint INTEGER NOT NULL, context BLOB, snapshot_index INTEGER, snapshot_term INTEGER, grp TEXT NOT NULL,
    channel INTEGER NOT NULL REFERENCES channels(id), first_packet INTEGER NOT NULL, last_packet INTEGER NOT NULL,
    size INTEGER NOT NULL, verdict TEXT, delivered INTEGER
);
CREATE TABLE entries (
    message INTEGER NOT NULL REFERENCES messages(id), position INTEGER NOT NULL, part INTEGER NOT NULL,
    log_index INTEGER NOT NULL, term INTEGER NOT NULL, operation TEXT NOT NULL, key TEXT, value BLOB,
    value_size INTEGER NOT NULL, request_id TEXT, detail TEXT, PRIMARY KEY (message, position, part)
) WITHOUT ROWID;
CREATE TABLE events (
    time_ns INTEGER NOT NULL, kind TEXT NOT NULL, channel INTEGER NOT NULL, text TEXT NOT NULL, packet INTEGER NOT NULL
);
CREATE TABLE changes (
    time_ns INTEGER NOT NULL, grp TEXT NOT NULL, what TEXT NOT NULL, node TEXT NOT NULL, value TEXT NOT NULL,
    packet INTEGER NOT NULL
);
CREATE TABLE states (
    time_ns INTEGER NOT NULL, grp TEXT NOT NULL, node TEXT NOT NULL, term INTEGER NOT NULL, role TEXT NOT NULL,
    commit_index INTEGER NOT NULL, match_index INTEGER NOT NULL, leader TEXT
);
CREATE TABLE elections (
    grp TEXT NOT NULL, term INTEGER NOT NULL, candidate TEXT NOT NULL, start_ns INTEGER NOT NULL, cause TEXT NOT NULL,
    silent_ms REAL, end_ns INTEGER, winner TEXT, votes TEXT NOT NULL, pre_vote_ns INTEGER
);
CREATE TABLE violations (
    id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, grp TEXT NOT NULL, invariant TEXT NOT NULL,
    sentence TEXT NOT NULL, witnesses TEXT NOT NULL
);
"""
LIVE_INDEXES = """
CREATE INDEX messages_time ON messages(time_ns);
CREATE INDEX states_node ON states(node, time_ns);
"""  # what is asked while the record grows, and what it costs little to keep
INDEXES = """
CREATE INDEX messages_kind ON messages(kind, time_ns);
CREATE INDEX messages_link ON messages(source, target, time_ns);
CREATE INDEX messages_packet ON messages(last_packet);
CREATE INDEX entries_key ON entries(key);
CREATE INDEX entries_index ON entries(log_index);
"""
