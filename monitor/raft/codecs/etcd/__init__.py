"""etcd's peer protocol: HTTP, the message and msgapp streams, raftpb."""
