"""Packets, addresses, TCP streams and capture files: bytes in, values out; nothing here waits or writes verdicts."""
