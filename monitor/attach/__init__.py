"""Attach mode: iptables chains on a host or router that raftmon did not make, and their removal."""
