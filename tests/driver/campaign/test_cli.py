"""The command refuses a cell that cannot be run before it starts any."""

from pathlib import Path

import pytest

from raftmon.driver.cli import main


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--systems", "memory", "--workloads", "bank"], "memory/bank"),
        (["--systems", "no-such-system"], "no-such-system"),
        (["--systems", "memory,"], "empty entry"),
        (["--nodes", "three"], "give whole numbers"),
        (["--jobs", "0", "--systems", "memory"], "--jobs is 0"),
    ],
)
def test_it_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["sweep", "--store", str(tmp_path / "store"), *options]) == 64
    assert said in capsys.readouterr().err
