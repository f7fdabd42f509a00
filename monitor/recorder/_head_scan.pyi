from raftmon.monitor.recorder.head_scan import HeadScanInPython

HeadScan = HeadScanInPython
