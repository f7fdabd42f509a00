import orjson

from driver.plan import Plan
from driver.workloads.registry import workload


def plan(seed, **parameters):
    return Plan.of(
        workload("register", parameters),
        seed=seed,
        slots=4,
        system="etcd",
        nodes=("n1", "n2", "n3"),
        client_hosts=("c1",),
        duration_s=20.0,
        faults=({"fault": "kill-leader", "start_s": 12.5},),
    )


def test_same_configuration_and_seed_same_bytes():
    assert plan("1").to_bytes() == plan("1").to_bytes()


def test_seed_and_parameters_both_change_the_plan():
    digests = {orjson.loads(made.to_bytes())["calls_sha256"] for made in (plan("1"), plan("2"), plan("1", keys=2))}
    assert len(digests) == 3


def test_a_saved_plan_is_what_to_bytes_says(tmp_path):
    made = plan("1")
    made.save(tmp_path / "plan.json")
    assert (tmp_path / "plan.json").read_bytes() == made.to_bytes()
    assert orjson.loads(made.to_bytes())["faults"] == [{"fault": "kill-leader", "start_s": 12.5}]
