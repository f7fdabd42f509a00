from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.net
def test_writing_to_a_closed_pipe_is_an_exception_not_the_end_of_the_test():
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    os.close(writing)


def test_a_module_that_ends_with_a_sandboxed_test_does_not_break_the_next_one(tmp_path):
    first = "import pytest\n\ndef test_outside():\n    pass\n\n@pytest.mark.net\ndef test_inside():\n    pass\n"
    (tmp_path / "test_a.py").write_text(first)
    (tmp_path / "test_b.py").write_text("def test_next():\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_a.py", "test_b.py"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "3 passed" in ended.stdout, ended.stdout
