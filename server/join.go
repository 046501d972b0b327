package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
	"ramai/internal/store/sqlite"
)

// A joining is a member on its way into its cluster.
type joining struct {
	*member
	reported string            // the sentence that was logged last
	probed   time.Time         // when absent members were last looked for
	reasons  map[string]string // why members are absent, by address
}

// join waits until the member's data is a copy of the cluster's.
func (m *member) join(ctx context.Context) error {
	log, isFounding, err := m.readLog()
	if err != nil {
		return err
	}
	data, err := sqlite.HistoryIDOf(m.cfg.Data)
	if err != nil {
		return err
	}
	m.say(func(h *jetstream.Hello) {
		h.Version, h.Level, h.Log, h.Joined = m.cfg.Version, eventlog.Current.Level(), data, data != "" && log != "" && !isFounding
	})
	j := &joining{member: m}
	if err := j.repeat(ctx, j.ask); err != nil {
		return err
	}
	if err := m.startNode(false); err != nil {
		return err
	}
	return j.repeat(ctx, j.step)
}

// repeat calls a step until it is done.
func (j *joining) repeat(ctx context.Context, step func(ctx context.Context) (done bool, err error)) error {
	for {
		done, err := step(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped before this member had joined the cluster: %w", context.Cause(ctx))
		case <-time.After(joinInterval):
		}
	}
}

// ask asks the other members whether this one may start its replica. It returns whether so many have answered that they and this
// member are a majority.
func (j *joining) ask(ctx context.Context) (bool, error) {
	own := j.helloNow()
	if err := j.node.CheckPeers(own); err != nil {
		return false, err
	}
	count := j.size()
	if len(j.node.Peers()) < count/2 {
		j.report(ctx, "waiting for a majority of the members")
		return false, nil
	}
	answers, err := j.node.Ask(ctx, j.candidate())
	if err != nil {
		return false, err
	}
	return answers >= count/2, nil
}

// step does what can be done now. It returns whether the member has joined.
func (j *joining) step(ctx context.Context) (bool, error) {
	own := j.helloNow()
	if err := j.node.CheckPeers(own); err != nil {
		return false, err
	}
	count := j.size()
	if !j.node.HasMajority(count) {
		j.report(ctx, "waiting for a majority of the members")
		return false, nil
	}
	request, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	stream, log, err := j.node.OpenStream(request)
	switch {
	case errors.Is(err, jetstream.ErrForeign):
		return false, err
	case err != nil:
		j.report(ctx, "waiting until the members have elected a leader")
		return false, nil
	case stream == nil:
		return false, j.foundTogether(ctx, own)
	case own.Log == "":
		return false, j.copyAny(ctx, log)
	case own.Log != log:
		return false, fmt.Errorf("%w: the members of this cluster have the log %s, and the folder %s has the log %s; start this member with an empty folder, so that it gets a copy, or with the addresses of its own cluster",
			jetstream.ErrForeign, log, j.cfg.Data, own.Log)
	}
	if err := stream.CheckPosition(request, j.candidate().Position); errors.Is(err, eventlog.ErrGap) {
		return false, j.copyAny(ctx, log)
	} else if errors.Is(err, jetstream.ErrForeign) {
		return false, err
	} else if err != nil {
		return false, nil
	}
	if err := j.writeLog(log); err != nil {
		return false, err
	}
	j.say(func(h *jetstream.Hello) { h.Joined = true })
	j.stream = stream
	if err := errors.Join(j.node.ServeSnapshots(j.folder, j.snapshot), j.node.ObeyPauses()); err != nil {
		return false, err
	}
	j.cfg.Logger.Info("this member has joined the cluster, which has a majority", "members", count, "connected", len(j.node.Peers())+1, "log", log, "name", j.name)
	return true, nil
}

// foundTogether creates the stream of a new cluster, if this is the member whose data it begins with.
func (j *joining) foundTogether(ctx context.Context, own jetstream.Hello) error {
	if own.Joined {
		return fmt.Errorf("%w: the folder %s belongs to a cluster with the log %s, and these members have no stream: it was deleted, or the folders of the others are new; stop all members, and start those whose folders have data with the addresses of their own cluster",
			jetstream.ErrForeign, j.cfg.Data, own.Log)
	}
	peers := j.node.Peers()
	count := len(j.cfg.Cluster.Members)
	if len(peers)+1 < count {
		j.report(ctx, "a majority of the members is connected, and there is no cluster yet: waiting for all members to begin one")
		return nil
	}
	own.Name, own.Address = j.name, "this member"
	all := []jetstream.Hello{own}
	var withData []string
	for _, p := range peers {
		if p.Joined {
			return fmt.Errorf("%w: the member %s belongs to a cluster with the log %s, whose stream these members do not have; start this member with the addresses of its own cluster", jetstream.ErrForeign, p.Address, p.Log)
		}
		all = append(all, p.Hello)
	}
	founder := all[0]
	for _, h := range all {
		if h.Log != "" {
			withData = append(withData, h.Address)
		}
		if before, with := founder.Log != "", h.Log != ""; with && !before || with == before && h.Name < founder.Name {
			founder = h
		}
	}
	slices.Sort(withData)
	switch {
	case len(withData) > 1:
		return fmt.Errorf("%w: the folders of %s have data of servers that ran alone, and a cluster begins with one of them; start the others with empty folders", jetstream.ErrForeign, strings.Join(withData, " and "))
	case founder.Name != j.name:
		j.report(ctx, "waiting for the data of the member "+founder.Address)
		return nil
	}
	log, position, err := j.found(ctx)
	if err != nil {
		return err
	}
	j.say(func(h *jetstream.Hello) { h.Log, h.Position = log, position })
	request, cancel := context.WithTimeout(ctx, 2*joinTimeout)
	defer cancel()
	if _, err := j.node.CreateStream(request, log, position, count); err != nil {
		if errors.Is(err, jetstream.ErrForeign) {
			return err
		}
		j.cfg.Logger.Debug("the stream is not created yet", "err", err)
		j.report(ctx, "waiting until all members can hold the stream")
	}
	return nil
}

// copyAny copies the data of a member that serves the cluster with a log.
func (j *joining) copyAny(ctx context.Context, log string) error {
	for _, p := range j.node.Peers() {
		if !p.Serves || p.Log != log {
			continue
		}
		if err := j.copyFrom(ctx, p); err != nil {
			if ctx.Err() == nil && !errors.Is(err, sqlite.ErrInUse) {
				j.cfg.Logger.Warn("the data of another member could not be copied; trying again", "err", err)
				return nil
			}
			return err
		}
		j.say(func(h *jetstream.Hello) { h.Log, h.Joined = log, true })
		return j.readData()
	}
	j.report(ctx, "waiting for a member that has the data of the cluster")
	return nil
}

// report logs what the member waits for, and who is absent, when that changes.
func (j *joining) report(ctx context.Context, waiting string) {
	absent := j.absent()
	if time.Since(j.probed) >= probeInterval {
		j.probed, j.reasons = time.Now(), make(map[string]string)
		for _, a := range absent {
			j.reasons[a] = j.node.Probe(ctx, a).Error()
		}
	}
	sentence := waiting
	for _, a := range absent {
		sentence += "; " + a + ": " + cmp.Or(j.reasons[a], "no longer connected")
	}
	if sentence != j.reported {
		j.reported = sentence
		j.cfg.Logger.Info("this member cannot serve yet", "reason", sentence, "connected", len(j.node.Peers())+1, "members", len(j.cfg.Cluster.Members))
	}
}

// absent returns the addresses of the members that are not connected.
func (m *member) absent() (absent []string) {
	peers := m.node.Peers()
	for _, a := range m.addresses() {
		if a != m.own && !slices.ContainsFunc(peers, func(p jetstream.Peer) bool { return p.Address == a }) {
			absent = append(absent, a)
		}
	}
	return absent
}

// MemberStatus is what a member knows about one of the members.
type MemberStatus struct {
	Address  string `json:"address"`
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	State    string `json:"state"` // "serving", "joining", or "absent"
	Leader   bool   `json:"leader,omitempty"`
	Replica  string `json:"replica,omitempty"` // "current", "behind", "absent"; empty: this member holds no replica
	Position uint64 `json:"position"`
	Behind   uint64 `json:"behind"`
	ClockMS  int64  `json:"clock_ms"` // how far its clock is ahead of the one of the member that answers
	Own      bool   `json:"own,omitempty"`

	// DiffersFrom has the addresses of the members that have stored something else, by their hash chains.
	DiffersFrom []string `json:"differs_from,omitempty"`
}

// States of a MemberStatus.
const (
	stateServing = "serving"
	stateJoining = "joining"
	stateAbsent  = "absent"
)

// Current reports whether a member serves, holds a replica, and is not behind.
func (m *MemberStatus) Current() bool {
	return m.State == stateServing && m.Replica == "current" && m.Behind <= lagging
}

// ClusterStatus is the state of a cluster, as one of its members sees it.
type ClusterStatus struct {
	Log      string         `json:"log"`
	Majority bool           `json:"majority"`
	First    uint64         `json:"first"` // position of the oldest batch that the stream has
	Last     uint64         `json:"last"`
	Bytes    uint64         `json:"bytes"`
	Members  []MemberStatus `json:"members"`
}

// status returns the state of the cluster.
func (m *member) status(ctx context.Context) ClusterStatus {
	own := m.helloNow()
	st := ClusterStatus{Log: own.Log, Majority: m.node.HasMajority(m.size())}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	stream, err := m.stream.Status(ctx)
	if err != nil {
		stream = &jetstream.Status{}
	}
	st.First, st.Last, st.Bytes = stream.First, stream.Last, stream.Bytes
	add := func(h jetstream.Hello, ahead time.Duration) {
		s := MemberStatus{
			Address: h.Address, Name: h.Name, Version: h.Version, State: stateJoining, Leader: h.Name == stream.Leader, Replica: stream.Replicas[h.Name],
			Position: h.Position, Behind: stream.Last - min(h.Position, stream.Last), ClockMS: ahead.Milliseconds(), Own: h.Name == m.name,
		}
		if h.Serves {
			s.State = stateServing
		}
		st.Members = append(st.Members, s)
	}
	own.Name = m.name
	own.Address = m.own
	add(own, 0)
	hellos := []jetstream.Hello{own}
	for _, p := range m.node.Peers() {
		hellos = append(hellos, p.Hello)
		add(p.Hello, p.Clock.Add(time.Since(p.Heard)).Sub(m.cfg.Now()).Round(time.Millisecond))
	}
	members, err := m.members()
	if err != nil {
		m.cfg.Logger.Warn("the list of the members cannot be read", "err", err)
	}
	for _, a := range m.absent() {
		s := MemberStatus{Address: a, State: stateAbsent}
		for _, info := range members {
			if info.Address == a && !info.Gone() {
				s.Name, s.Version, s.Position, s.Replica = info.Name, info.Version, info.Applied, stream.Replicas[info.Name]
				s.Behind = stream.Last - min(info.Applied, stream.Last)
			}
		}
		st.Members = append(st.Members, s)
	}
	st.compare(hellos)
	slices.SortFunc(st.Members, func(a, b MemberStatus) int { return strings.Compare(a.Address, b.Address) })
	return st
}

// compare notes which members differ, as any of them has found.
func (st *ClusterStatus) compare(hellos []jetstream.Hello) {
	for i := range st.Members {
		m := &st.Members[i]
		for _, h := range hellos {
			found := slices.ContainsFunc(hellos, func(own jetstream.Hello) bool { return own.Name == m.Name && slices.Contains(own.Differs, h.Name) })
			if h.Name != m.Name && (found || slices.Contains(h.Differs, m.Name)) {
				m.DiffersFrom = append(m.DiffersFrom, h.Address)
			}
		}
		slices.Sort(m.DiffersFrom)
	}
}

// Healthy reports whether all members serve, hold a replica, and have stored the same, and none is far behind.
func (st *ClusterStatus) Healthy() bool {
	return st.Majority && !slices.ContainsFunc(st.Members, func(m MemberStatus) bool { return !m.Current() || len(m.DiffersFrom) > 0 })
}
