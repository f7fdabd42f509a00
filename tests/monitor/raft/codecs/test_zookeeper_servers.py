"""What ZooKeeper's two protocols know together lasts as long as the decoder that it belongs to, and no longer."""

from __future__ import annotations

import gc
import weakref

from raftmon.monitor.raft.codecs.zookeeper_servers import servers_of
from raftmon.monitor.raft.decoder import Decoder


def test_a_decoder_that_is_no_longer_used_is_freed() -> None:
    decoder = Decoder()
    servers = servers_of(decoder)
    assert servers_of(decoder) is servers
    gone = weakref.ref(decoder)
    del decoder, servers
    gc.collect()
    assert gone() is None
