"""One codec a protocol: two byte streams in, RaftMessages out."""
