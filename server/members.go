package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
	"ramai/internal/store/sqlite"
	"ramai/wire"
)

const (
	memberInterval = time.Second
	// announceInterval is how often a member announces up to which position it has everything on its disk.
	announceInterval = time.Minute
	// trimInterval is how often the batches that all members have applied are deleted from the stream.
	trimInterval = time.Minute
	// wholeInterval is how often the stream is trimmed completely. Together with absentFor it is below the 24 hours after which an
	// erased text is in no file.
	wholeInterval = 3 * time.Hour
	// absentFor is how long the stream keeps batches for a member that is absent. Later it has to copy the data of another one.
	absentFor = 12 * time.Hour
	// joiningFor is how long the stream keeps batches for a member that copies the data of another one.
	joiningFor = time.Hour
	// removeInterval is how often the leader checks that members that were removed hold no replica.
	removeInterval = 5 * time.Second
	// minReplicas is how many replicas the stream has at least.
	minReplicas = 3
)

// Reasons why a member stops serving. After ErrBehind and ErrReplica, Join can be called again.
var (
	ErrRemoved = errors.New("this member was removed from the cluster; start it with an empty folder, so that it joins as a new member")
	ErrDiffers = errors.New("the data of this member differs from that of the others, which agree: its disk or its memory may be faulty; " +
		"remove this member (ramai cluster remove on another one), keep its folder to find the cause, and start it with an empty folder")
	ErrBehind  = errors.New("this member was behind for too long, and copies the data of another member")
	ErrReplica = errors.New("the replica of this member has stopped, as it does when the disk is full; it is started again")
)

// readData reads what the data says about the cluster, if it belongs to one. It is called before the data is opened.
func (m *member) readData() error {
	log, isFounding, err := m.readLog()
	if err != nil || log == "" || isFounding {
		return err
	}
	data, err := sqlite.HistoryIDOf(m.cfg.Data)
	if err != nil || data == "" {
		return err
	}
	store, err := sqlite.Open(m.cfg.Data, sqlite.Options{Random: m.cfg.Random, Logger: m.cfg.Logger, Member: true})
	if err != nil {
		return err
	}
	members, err := eventlog.MembersOf(store)
	m.mu.Lock()
	m.known, m.position = members, store.Position()
	m.mu.Unlock()
	return errors.Join(err, store.Close())
}

// members returns the members of the cluster as far as this one knows, with those that were removed. It returns none before the
// cluster's level allows that.
func (m *member) members() ([]eventlog.MemberInfo, error) {
	m.mu.Lock()
	store, known := m.store, m.known
	m.mu.Unlock()
	if store == nil {
		return known, nil
	}
	return eventlog.MembersOf(store)
}

// size returns how many members the cluster has: as its data says, or the settings if that does not say. While a cluster is founded, the
// data has only those that have announced themselves so far, so fewer than minReplicas do not count.
func (m *member) size() (count int) {
	members, err := m.members()
	if err != nil {
		m.cfg.Logger.Warn("the list of the members cannot be read", "err", err)
	}
	for _, info := range members {
		if !info.Gone() {
			count++
		}
	}
	if count == 0 {
		count = len(m.cfg.Cluster.Members)
	}
	return max(count, minReplicas)
}

// addresses returns the addresses of all members.
func (m *member) addresses() (addresses []string) {
	members, err := m.members()
	if err != nil {
		m.cfg.Logger.Warn("the list of the members cannot be read", "err", err)
	}
	left := make(map[string]bool) // addresses of members that were removed
	for _, info := range members {
		if info.Gone() {
			left[info.Address] = true
		} else {
			addresses = append(addresses, info.Address)
		}
	}
	for _, a := range m.cfg.Cluster.Members {
		if !slices.Contains(addresses, a) && !left[a] {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

// candidate returns what this member asks the others before it starts its replica.
func (m *member) candidate() jetstream.Candidate {
	h := m.helloNow()
	m.mu.Lock()
	defer m.mu.Unlock()
	return jetstream.Candidate{Name: m.name, Address: m.own, Size: uint64(len(m.cfg.Cluster.Members)), Log: h.Log, Position: max(m.position, h.Position), Starts: m.starts}
}

// judge returns why another member must not start its replica; empty: it may, as far as this one knows.
func (m *member) judge(c jetstream.Candidate) string {
	members, err := m.members()
	if err != nil {
		return "the list of the members cannot be read: " + err.Error()
	}
	if refused := eventlog.RefusedMember(members, c.Name, c.Address, c.Size); refused != "" {
		return refused
	}
	reached := m.node.Reached(c.Name)
	for _, info := range members {
		if info.Name == c.Name {
			reached = jetstream.Reached{Position: max(reached.Position, info.Applied), Starts: max(reached.Starts, info.Starts)}
		}
	}
	if c.Position < reached.Position || c.Starts < reached.Starts {
		return fmt.Sprintf("the folder of this member is at position %d after %d starts, and has been at position %d or later after %d: it was set back to an older copy, and has forgotten votes that the others rely on; "+
			"remove the member (ramai cluster remove %s on another member), and start it with an empty folder", c.Position, c.Starts, reached.Position, reached.Starts, c.Address)
	}
	return ""
}

// A memberLoop does what a member does from time to time.
type memberLoop struct {
	*Server
	m         *member
	announced time.Time
	trimmed   time.Time
	whole     time.Time            // when the stream was last trimmed completely, or this process began to lead it
	removed   time.Time            // when replicas of members that were removed were last looked for
	without   map[string]bool      // members that were removed, and hold no replica
	joining   map[string]time.Time // when members were first heard that have no data yet
	differs   map[string]bool      // members whose hash chain differs from the one of this member, by name
}

// runMember does what a member does from time to time. It stops the server when this is no member any more, or there is no majority
// for long.
func (s *Server) runMember() {
	patience := s.cfg.patience
	if patience == 0 {
		patience = readersOnlyFor
	}
	l := &memberLoop{Server: s, m: s.cfg.member, trimmed: time.Now(), whole: time.Now(), without: make(map[string]bool), joining: make(map[string]time.Time), differs: make(map[string]bool)}
	ticker := time.NewTicker(memberInterval)
	defer ticker.Stop()
	for seen := time.Now(); ; {
		select {
		case <-s.quit:
			return
		case <-ticker.C:
		}
		if l.m.node.HasMajority(l.m.size()) {
			seen = time.Now()
		}
		err := l.step()
		if err == nil && time.Since(seen) >= patience {
			err = ErrNoMajority
		}
		if err != nil {
			select {
			case s.failed <- err:
			default:
			}
			return
		}
	}
}

// step does what is due. An error ends the service of this member.
func (l *memberLoop) step() error {
	if l.m.queue.Gap() {
		return ErrBehind
	}
	if l.m.node.Failed() {
		return ErrReplica
	}
	members, err := l.m.members()
	if err != nil {
		l.cfg.Logger.Warn("the list of the members cannot be read", "err", err)
		return nil
	}
	if slices.ContainsFunc(members, func(info eventlog.MemberInfo) bool { return info.Name == l.m.name && info.Gone() }) {
		return ErrRemoved
	}
	if err := l.compareLinks(); err != nil {
		return err
	}
	if err := l.announce(); err != nil {
		return err
	}
	if !l.m.leads() {
		l.whole = time.Now()
		return nil
	}
	l.raiseLevel()
	if time.Since(l.trimmed) >= trimInterval {
		l.trimmed = time.Now()
		if err := l.trim(members); err != nil {
			l.cfg.Logger.Warn("the stream was not trimmed; trying again", "err", err)
		}
	}
	if time.Since(l.removed) >= removeInterval {
		l.removed = time.Now()
		l.removeReplicas(members)
		l.changeReplicas(members)
	}
	return nil
}

// announce announces this member, if that is due. It returns an error if this is no member of the cluster.
func (l *memberLoop) announce() error {
	if l.store.Level() < eventlog.MemberLevel || !l.announced.IsZero() && time.Since(l.announced) < announceInterval || l.eventlog.Unavailable() != nil {
		return nil
	}
	own := l.m.helloNow()
	err := l.run(eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{
		Name: l.m.name, Address: l.m.own, Version: l.cfg.Version, Level: eventlog.Current.Level(), Size: uint64(len(l.m.cfg.Cluster.Members)), Applied: own.Position, Starts: own.Starts,
	}})
	var refused *wire.CodedError
	switch {
	case err == nil:
		l.announced = time.Now()
	case errors.As(err, &refused) && refused.Code == wire.NotAllowed:
		return fmt.Errorf("%w: %s", jetstream.ErrForeign, refused.Reason)
	}
	return nil // otherwise it is tried again
}

// run submits a command, and waits for its outcome, but not for long: the loop has to notice that there is no majority.
func (l *memberLoop) run(c eventlog.Command) error {
	late := make(chan struct{})
	timer := time.AfterFunc(joinTimeout, func() { close(late) })
	defer timer.Stop()
	_, err := runCommands(l.eventlog.Submit, late, c)
	return err
}

// raiseLevel raises the level once all members can apply it.
func (l *memberLoop) raiseLevel() {
	level, all := l.m.commonLevel()
	if !all || level <= l.store.Level() {
		return
	}
	if err := l.run(eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: level}}); err == nil {
		l.cfg.Logger.Info("all members have this version of the program, and use what is new in it")
	}
}

// commonLevel returns the level that all members can apply; false: not all are there.
func (m *member) commonLevel() (level uint64, all bool) {
	level = m.helloNow().Level
	for _, p := range m.node.Peers() {
		if !p.Serves {
			return 0, false
		}
		level = min(level, p.Level)
	}
	return level, len(m.absent()) == 0
}

// trim trims the stream as far as it can be.
func (l *memberLoop) trim(members []eventlog.MemberInfo) error {
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	defer cancel()
	position, ok := l.trimmable(members)
	if !ok {
		return nil
	}
	whole, err := l.m.stream.Trim(ctx, position)
	if err == nil && !whole && time.Since(l.whole) >= wholeInterval {
		whole, err = l.m.stream.TrimWhole(ctx, func(last uint64) bool {
			position, ok := l.trimmable(members)
			return ok && position >= last
		})
	}
	if whole {
		l.whole = time.Now()
	}
	return err
}

// trimmable returns the position up to which no member needs the stream any more; false: it cannot be trimmed. A member that is
// absent needs it for absentFor, and one that has no data yet for joiningFor.
func (l *memberLoop) trimmable(members []eventlog.MemberInfo) (position uint64, ok bool) {
	own := l.m.helloNow()
	position = own.Position
	present := map[string]bool{l.m.name: true}
	for _, p := range l.m.node.Peers() {
		present[p.Name] = true
		if p.Serves {
			delete(l.joining, p.Name)
			position = min(position, p.Position)
			continue
		}
		if l.joining[p.Name].IsZero() {
			l.joining[p.Name] = time.Now()
		}
		if time.Since(l.joining[p.Name]) < joiningFor {
			return 0, false
		}
	}
	if len(members) == 0 { // below MemberLevel
		return position, len(l.m.absent()) == 0
	}
	for _, info := range members {
		if !info.Gone() && !present[info.Name] && l.m.node.Time().Sub(info.Announced.Std()) < absentFor {
			position = min(position, info.Applied)
		}
	}
	return position, true
}

// removeReplicas removes the replicas of members that were removed.
func (l *memberLoop) removeReplicas(members []eventlog.MemberInfo) {
	for _, info := range members {
		if !info.Gone() || l.without[info.Name] {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
		err := l.m.node.RemoveReplica(ctx, info.Name)
		cancel()
		if err != nil {
			l.cfg.Logger.Warn("the replica of a member that was removed is still there; trying again", "member", info.Address, "name", info.Name, "err", err)
			continue
		}
		l.without[info.Name] = true
		l.cfg.Logger.Info("removed the replica of a member", "member", info.Address, "name", info.Name)
	}
}

// changeReplicas gives the stream as many replicas as there are members, once all members can hold one. A member that was removed and will
// be replaced leaves at least minReplicas.
func (l *memberLoop) changeReplicas(members []eventlog.MemberInfo) {
	want, announced := 0, make(map[string]bool)
	for _, info := range members {
		if !info.Gone() {
			want++
			announced[info.Name] = true
		} else if !l.without[info.Name] {
			return
		}
	}
	missing := func(p jetstream.Peer) bool { return !p.Serves || !announced[p.Name] } // a new member serves before it is in the list
	if want < minReplicas || !announced[l.m.name] || len(l.m.absent()) > 0 || slices.ContainsFunc(l.m.node.Peers(), missing) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinTimeout)
	defer cancel()
	changed, err := l.m.stream.SetReplicas(ctx, want)
	if err != nil {
		l.cfg.Logger.Warn("the stream does not have a replica on each member; trying again", "members", want, "err", err)
	} else if changed {
		l.cfg.Logger.Info("changed the number of replicas of the stream", "members", want)
	}
}
