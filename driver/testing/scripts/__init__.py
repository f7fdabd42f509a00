"""The test scripts that ``raftmon test`` runs: sanity, multi-client, restart, partition, messages."""
