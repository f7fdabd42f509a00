"""Rules on single Raft messages inside live TCP streams, and triggers that wait for one."""
