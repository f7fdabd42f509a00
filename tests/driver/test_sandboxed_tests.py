from __future__ import annotations

import os

import pytest


@pytest.mark.net
def test_writing_to_a_closed_pipe_is_an_exception_not_the_end_of_the_test():
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    os.close(writing)
