"""Linearizability of registers with unique values, in near-linear time (Gibbons and Korach's zones)."""
