from raftmon.monitor.queue.fast_path import PlainPathInPython

PlainPath = PlainPathInPython
