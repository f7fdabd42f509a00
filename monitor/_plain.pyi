from monitor.plain import PlainPathInPython

PlainPath = PlainPathInPython
