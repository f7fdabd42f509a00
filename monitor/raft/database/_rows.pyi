from raftmon.monitor.raft.database.rows import entry_rows as entry_rows
from raftmon.monitor.raft.database.rows import message_row as message_row
