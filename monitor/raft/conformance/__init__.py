"""What one Raft node may do, given what it may have received: a specification, checked on the wire."""
