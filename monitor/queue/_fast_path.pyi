from raftmon.monitor.queue.fast_path import InterpretedFastPath

FastPath = InterpretedFastPath
