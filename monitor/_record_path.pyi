from monitor.record_path import RecordPathInPython

RecordPath = RecordPathInPython
