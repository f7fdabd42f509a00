"""Raft on the wire: decoding, recording, asking, checking. Sans-I/O but for ``store`` and ``query``."""
