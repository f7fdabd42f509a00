"""The lowest room: the sandbox, the topology, namespaces, the firewall, processes. Knows no packets and no Raft."""
