"""Workloads: what clients do, as pure generators, and how one call is done on an adapter's client."""
