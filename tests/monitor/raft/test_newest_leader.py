from raftmon.monitor.raft.newest_leader import NewestLeader


def test_a_newer_term_has_a_new_leader_and_an_older_one_none() -> None:
    newest = NewestLeader()
    assert (newest.node, newest.term) == (None, 0)
    assert newest.heard("n1", 2)
    assert not newest.heard("n1", 2)
    assert not newest.heard("n3", 2), "a term has one leader"
    assert newest.heard("n2", 5)
    assert not newest.heard("n1", 4), "a message that was long on its way"
    assert (newest.node, newest.term) == ("n2", 5)


def test_a_name_learnt_late_stays_the_leader() -> None:
    newest = NewestLeader("a1b2", 3)
    newest.rename("c3", "n3")
    newest.rename("a1b2", "n1")
    assert (newest.node, newest.term) == ("n1", 3)
