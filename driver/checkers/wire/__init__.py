"""What clients saw against what the Raft log on the wire committed."""
