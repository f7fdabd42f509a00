"""etcd issue 18667: a transaction that fails in the middle is applied on some members and not on others."""

from raftmon.driver.reproduce.scenario import Scenario
from raftmon.driver.reproduce.stage import Stage

SCENARIO = Scenario(
    name="etcd-18667",
    system="etcd",
    title="members differ after one failed transaction",
    seen="a linearizable read gives another value at each member",
    needs="no fault: a compaction, then one transaction that reads before it",
    affected=("etcd@3.4.23", "etcd@3.5.1", "etcd@3.5.16"),
    fixed="3.7.0",
    why_no_control="3.7 cannot be had here as a stock binary",
    sources=("https://github.com/etcd-io/etcd/issues/18667",),
)


def play(stage: Stage) -> str | None:
    """Put k1 to k20 through n1, compact at the last revision, and send the transaction through n1."""
    apis = {node: stage.etcd(node) for node in stage.nodes}
    first = apis["n1"]
    for number in range(1, 21):
        revision = first.put(f"k{number}", f"v{number}")
    first.compact(revision)
    try:
        first.put_and_read_at("k1", "v1", ("k2", "foo"), ("k1", revision - 1))
    except Exception as error:  # "required revision has been compacted" is the expected answer
        refused = str(error)
    else:
        refused = "no error"
    found = {node: api.get("k2") for node, api in apis.items()}
    if len(set(found.values())) == 1:
        return None
    values = ", ".join(f"{node} says {value!r}" for node, value in found.items())
    return f"after one transaction through n1 ({refused}) linearizable reads of k2 differ: {values}"
