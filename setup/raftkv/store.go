package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

type request struct {
	ID        uint64          `json:"id"`
	Op        string          `json:"op"`
	Key       string          `json:"key,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Expected  json.RawMessage `json:"expected,omitempty"`
	New       json.RawMessage `json:"new,omitempty"`
	Forwarded bool            `json:"forwarded,omitempty"`
}

type reply struct {
	ID       uint64          `json:"id"`
	Value    json.RawMessage `json:"value,omitempty"`
	Mismatch bool            `json:"mismatch,omitempty"`
	Seen     json.RawMessage `json:"seen,omitempty"`
	Error    string          `json:"error,omitempty"`
	Why      string          `json:"why,omitempty"`
}

type command struct {
	Op       string          `json:"op"`
	Key      string          `json:"key"`
	Value    json.RawMessage `json:"value,omitempty"`
	Expected json.RawMessage `json:"expected,omitempty"`
	New      json.RawMessage `json:"new,omitempty"`
}

// store is the replicated state: key -> JSON value.
type store struct {
	lock   sync.Mutex
	values map[string]json.RawMessage
}

func newStore() *store { return &store{values: map[string]json.RawMessage{}} }

var null = json.RawMessage("null")

func plain(value json.RawMessage) json.RawMessage {
	if len(value) == 0 {
		return null
	}
	var out bytes.Buffer
	if json.Compact(&out, value) != nil {
		return value
	}
	return out.Bytes()
}

func (s *store) size() int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return len(s.values)
}

// Apply carries out one committed command.
func (s *store) Apply(entry *raft.Log) interface{} {
	var asked command
	if err := json.Unmarshal(entry.Data, &asked); err != nil {
		return reply{Error: "LOST", Why: err.Error()}
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	held := plain(s.values[asked.Key])
	switch asked.Op {
	case "read":
		return reply{Value: held}
	case "write":
		s.values[asked.Key] = plain(asked.Value)
		return reply{}
	case "cas":
		if !bytes.Equal(held, plain(asked.Expected)) {
			return reply{Mismatch: true, Seen: held}
		}
		s.values[asked.Key] = plain(asked.New)
		return reply{}
	}
	return reply{Error: "UNKNOWN_OPERATION", Why: asked.Op}
}

type snapshot struct{ data []byte }

// Snapshot takes the whole state.
func (s *store) Snapshot() (raft.FSMSnapshot, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	data, err := json.Marshal(s.values)
	return snapshot{data}, err
}

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := sink.Write(s.data); err != nil {
		sink.Cancel()
		return err
	}
	return sink.Close()
}

func (s snapshot) Release() {}

// Restore replaces the whole state.
func (s *store) Restore(from io.ReadCloser) error {
	defer from.Close()
	values := map[string]json.RawMessage{}
	if err := json.NewDecoder(from).Decode(&values); err != nil {
		return err
	}
	s.lock.Lock()
	s.values = values
	s.lock.Unlock()
	return nil
}

// forwarder keeps connections to other nodes' client ports; a connection carries one request at a time.
type forwarder struct {
	lock sync.Mutex
	idle map[string][]net.Conn
}

func newForwarder() *forwarder { return &forwarder{idle: map[string][]net.Conn{}} }

func (f *forwarder) connection(address string) (net.Conn, error) {
	f.lock.Lock()
	defer f.lock.Unlock()
	if kept := f.idle[address]; len(kept) > 0 {
		f.idle[address] = kept[:len(kept)-1]
		return kept[len(kept)-1], nil
	}
	return nil, nil
}

// ask sends a request to the leader, once. An error before it was sent means that nothing happened.
func (f *forwarder) ask(address string, asked request) reply {
	if address == "" {
		return reply{Error: "NO_LEADER"}
	}
	connection, _ := f.connection(address)
	if connection == nil {
		made, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return reply{Error: "NO_LEADER", Why: err.Error()}
		}
		connection = made
	}
	asked.Forwarded = true
	line, err := json.Marshal(asked)
	if err != nil {
		connection.Close()
		return reply{Error: "UNKNOWN_OPERATION", Why: err.Error()}
	}
	connection.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := connection.Write(append(line, '\n')); err != nil {
		connection.Close()
		return reply{Error: "LOST", Why: err.Error()}
	}
	reader := bufio.NewReaderSize(connection, 1<<16)
	text, err := reader.ReadBytes('\n')
	var answer reply
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		connection.Close()
		return reply{Error: "LOST", Why: err.Error()}
	}
	f.lock.Lock()
	f.idle[address] = append(f.idle[address], connection)
	f.lock.Unlock()
	return answer
}
