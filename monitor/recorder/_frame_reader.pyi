from raftmon.monitor.recorder.frame_reader import RecordPathInPython

RecordPath = RecordPathInPython
