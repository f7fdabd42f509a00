// raftkv: a small replicated key-value server on hashicorp/raft, for raftmon's runs.
//
// Clients speak lines of JSON (adapters/line_client.py). A follower passes a request on to the leader, once. Every
// operation, reads too, goes through the log, so all are linearizable. Nothing is ever tried again.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb"
)

var version = "unknown"

type settings struct {
	Name        string            `json:"name"`
	Bind        string            `json:"bind"`
	Advertise   string            `json:"advertise"`
	Serve       string            `json:"serve"`
	Folder      string            `json:"folder"`
	Peers       map[string]string `json:"peers"`   // name -> Raft address
	Clients     map[string]string `json:"clients"` // Raft address -> where that node serves requests
	ElectionMs  int               `json:"election_ms"`
	HeartbeatMs int               `json:"heartbeat_ms"`
	Threshold   uint64            `json:"snapshot_threshold"`
	IntervalMs  int               `json:"snapshot_interval_ms"`
	Trailing    uint64            `json:"trailing_logs"`
}

type server struct {
	settings settings
	raft     *raft.Raft
	store    *store
	forward  *forwarder
}

func fail(format string, values ...interface{}) {
	fmt.Fprintf(os.Stderr, "raftkv: "+format+"\n", values...)
	os.Exit(1)
}

func start(chosen settings) (*server, error) {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(chosen.Name)
	config.HeartbeatTimeout = time.Duration(chosen.HeartbeatMs) * time.Millisecond
	config.ElectionTimeout = time.Duration(chosen.ElectionMs) * time.Millisecond
	config.LeaderLeaseTimeout = config.HeartbeatTimeout / 2
	config.SnapshotThreshold = chosen.Threshold
	config.SnapshotInterval = time.Duration(chosen.IntervalMs) * time.Millisecond
	config.TrailingLogs = chosen.Trailing
	if err := os.MkdirAll(chosen.Folder, 0o755); err != nil {
		return nil, err
	}
	advertise, err := net.ResolveTCPAddr("tcp", chosen.Advertise)
	if err != nil {
		return nil, err
	}
	transport, err := raft.NewTCPTransport(chosen.Bind, advertise, 3, 2*time.Second, os.Stderr)
	if err != nil {
		return nil, err
	}
	logs, err := raftboltdb.NewBoltStore(filepath.Join(chosen.Folder, "raft.db"))
	if err != nil {
		return nil, err
	}
	snapshots, err := raft.NewFileSnapshotStore(chosen.Folder, 2, os.Stderr)
	if err != nil {
		return nil, err
	}
	known, err := raft.HasExistingState(logs, logs, snapshots)
	if err != nil {
		return nil, err
	}
	if !known { // every node begins with the same configuration, which hashicorp/raft allows
		var members raft.Configuration
		for name, address := range chosen.Peers {
			members.Servers = append(members.Servers,
				raft.Server{ID: raft.ServerID(name), Address: raft.ServerAddress(address)})
		}
		sortServers(members.Servers)
		if err := raft.BootstrapCluster(config, logs, logs, snapshots, transport, members); err != nil {
			return nil, err
		}
	}
	kept := newStore()
	node, err := raft.NewRaft(config, kept, logs, logs, snapshots, transport)
	if err != nil {
		return nil, err
	}
	return &server{chosen, node, kept, newForwarder()}, nil
}

func sortServers(servers []raft.Server) {
	for i := range servers {
		for j := i + 1; j < len(servers); j++ {
			if servers[j].ID < servers[i].ID {
				servers[i], servers[j] = servers[j], servers[i]
			}
		}
	}
}

func (s *server) serve(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, 1<<16)
	for {
		line, err := reader.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if json.Unmarshal(line, &asked) != nil {
			return
		}
		answer := s.answer(asked)
		answer.ID = asked.ID
		out, err := json.Marshal(answer)
		if err != nil {
			return
		}
		if _, err := connection.Write(append(out, '\n')); err != nil {
			return
		}
	}
}

func (s *server) answer(asked request) reply {
	switch asked.Op {
	case "status":
		return s.status()
	case "transfer":
		if err := s.transfer(asked.Key); err != nil {
			return reply{Error: "TRANSFER", Why: err.Error()}
		}
		return reply{}
	case "snapshot":
		if err := s.raft.Snapshot().Error(); err != nil {
			return reply{Error: "SNAPSHOT", Why: err.Error()}
		}
		return reply{}
	case "read", "write", "cas":
	default:
		return reply{Error: "UNKNOWN_OPERATION", Why: asked.Op}
	}
	if s.raft.State() != raft.Leader {
		if asked.Forwarded {
			return reply{Error: "NOT_LEADER"}
		}
		leader := string(s.raft.Leader())
		if leader == "" || leader == s.settings.Advertise {
			return reply{Error: "NO_LEADER"}
		}
		return s.forward.ask(s.settings.Clients[leader], asked)
	}
	data, err := json.Marshal(command{asked.Op, asked.Key, asked.Value, asked.Expected, asked.New})
	if err != nil {
		return reply{Error: "UNKNOWN_OPERATION", Why: err.Error()}
	}
	future := s.raft.Apply(data, 2*time.Second)
	if err := future.Error(); err != nil {
		switch err {
		case raft.ErrNotLeader:
			return reply{Error: "NOT_LEADER"}
		case raft.ErrEnqueueTimeout:
			return reply{Error: "NOT_QUEUED"}
		case raft.ErrLeadershipTransferInProgress:
			return reply{Error: "TRANSFERRING"}
		}
		return reply{Error: "LOST", Why: err.Error()}
	}
	return future.Response().(reply)
}

// transfer hands leadership to the node of that name, or to whom hashicorp/raft chooses where there is none.
func (s *server) transfer(name string) error {
	if address, known := s.settings.Peers[name]; known {
		return s.raft.LeadershipTransferToServer(raft.ServerID(name), raft.ServerAddress(address)).Error()
	}
	return s.raft.LeadershipTransfer().Error()
}

func (s *server) status() reply {
	term, _ := strconv.ParseUint(s.raft.Stats()["term"], 10, 64)
	state := map[string]interface{}{
		"leader": s.raft.State() == raft.Leader, "term": term, "applied": s.raft.AppliedIndex(),
		"last_index": s.raft.LastIndex(), "stats": s.raft.Stats(), "keys": s.store.size(),
		"now_ns": time.Now().UnixNano(),
	}
	out, _ := json.Marshal(state)
	return reply{Value: out}
}

func main() {
	said := flag.Bool("version", false, "print the version of hashicorp/raft and end")
	flag.Parse()
	if *said {
		fmt.Println("raftkv on hashicorp/raft", version)
		return
	}
	if flag.NArg() != 1 {
		fail("give the path of one configuration file")
	}
	text, err := os.ReadFile(flag.Arg(0))
	if err != nil {
		fail("%v", err)
	}
	var chosen settings
	if err := json.Unmarshal(text, &chosen); err != nil {
		fail("%s: %v", flag.Arg(0), err)
	}
	node, err := start(chosen)
	if err != nil {
		fail("%v", err)
	}
	listener, err := net.Listen("tcp", chosen.Serve)
	if err != nil {
		fail("%v", err)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			fail("%v", err)
		}
		go node.serve(connection)
	}
}
