"""Benchmarks: ``python -m tests.bench`` measures what the monitor costs (docs/benchmarks.md)."""
