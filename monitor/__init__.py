"""The monitor: the queue loop, packet rules, the recorder and the Raft decoders. Knows no clients or workloads."""
