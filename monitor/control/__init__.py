"""The control socket of a live monitor: its operations, server and client."""
