"""A matrix comes to the same cells every time, each with a name of its own."""

import pytest

from raftmon.driver.campaign.matrix import Matrix, split_list
from raftmon.setup.errors import InputError


def test_every_combination_is_a_cell_and_each_seed_comes_whole_before_the_next() -> None:
    matrix = Matrix(systems=("etcd", "nats@2.9.10"), faults=("none", "halves"), repeat=2, options=("--duration", "5s"))
    cells = list(matrix.cells())
    assert len(cells) == matrix.count == 8
    assert len({cell.key for cell in cells}) == 8
    assert [cell.seed for cell in cells] == ["1"] * 4 + ["2"] * 4
    assert cells[2].options[:4] == ("--system", "nats", "--server", "nats@2.9.10")
    assert cells[0].options[-2:] == ("--duration", "5s")


def test_a_matrix_is_the_same_after_json_and_its_digest_tells_another_apart() -> None:
    matrix = Matrix(faults=("kill-leader@1s..2s,halves",), nodes=(3, 5))
    assert Matrix.from_json(matrix.to_json()) == matrix
    assert matrix.digest != Matrix(nodes=(3, 5)).digest


def test_commas_in_parentheses_do_not_divide_and_plus_joins_faults() -> None:
    text = "none,slow-disk(node=n1,delay=20ms),kill-leader@1s..2s+halves@3s..4s"
    assert split_list(text, "--faults") == (
        "none",
        "slow-disk(node=n1,delay=20ms)",
        "kill-leader@1s..2s,halves@3s..4s",
    )
    assert split_list("a+b", "--systems") == ("a+b",)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("systems = 3", "give a list of texts"),
        ("systems = []", "is empty"),
        ("nodes = ['3']", "give a list of numbers"),
        ("repeat = true", "give a whole number"),
        ("repeat = 0", "give 1 or more"),
        ("colour = 'red'", "there is no entry 'colour'"),
        ("systems = ['etcd', 'etcd']", "an entry twice"),
        ("repeat = 1000000", "at most"),
        ("systems = [", "this is not TOML"),
    ],
)
def test_a_matrix_that_is_wrong_is_refused_in_words(tmp_path, content: str, said: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        Matrix.from_toml(path)
