"""Tests marked ``net``, and those that use raftmon's fixtures, run in a sandbox of their own: the plugin does it."""
