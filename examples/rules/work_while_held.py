"""Hold the first reset of the run while a worker thread writes down what is going on, then let it go.

Whatever is slow (a file, a process to be killed) is a Task: the monitor goes on judging other packets meanwhile.
"""

import subprocess
from pathlib import Path

from raftmon.rules import Task, work

match = "rst"
task = None
target = Path("sockets.txt")


def configure(context):
    global target
    target = Path(context.options.get("sockets", target))


def look():
    target.write_bytes(subprocess.run(["ss", "-tan"], capture_output=True, check=True).stdout)


def packet(view):
    global task
    if task is None:
        task = Task("sockets", look, limit_s=2)
        return work(task, hold=True)
