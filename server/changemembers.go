package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/sequencer/jetstream"
)

// lagging is how many batches a member can be behind and still count as current: those are on their way.
const lagging = 100

// removeTimeout is how long a removal may take.
const removeTimeout = 30 * time.Second

// errMembers is wrapped in errors about a change of the members that is refused.
var errMembers = errors.New("the members are not changed")

var errOldMembers = fmt.Errorf("%w: not all members run a version of ramai that can be told; upgrade all of them first", errMembers)

// refusedChange returns why the members cannot be changed now; nil: they can. without is the member that leaves; empty: none does.
func (st *ClusterStatus) refusedChange(without string) error {
	if !st.Majority {
		return fmt.Errorf("%w: no majority of the members is connected; start the others first", errMembers)
	}
	left := 0
	for _, m := range st.Members {
		if without != "" && m.Name == without {
			continue
		}
		left++
		switch {
		case m.State != stateServing:
			return fmt.Errorf("%w: the member %s is %s, and the others could not accept messages without it; wait until it serves, or remove it first if it is lost", errMembers, m.Address, m.State)
		case m.Behind > lagging || m.Replica != "current":
			return fmt.Errorf("%w: the member %s is %d batches behind, and its replica is %s; wait until ramai cluster status shows that it is current",
				errMembers, m.Address, m.Behind, orNone(m.Replica))
		}
	}
	if without != "" && left < eventlog.MinMembers {
		return fmt.Errorf("%w: only %d would be left, and a cluster needs 2; start another member with an empty folder first", errMembers, left)
	}
	return nil
}

func orNone(replica string) string {
	if replica == "" {
		return "missing"
	}
	return replica
}

// removeMember removes the member with an address or a name, and waits until its replica is gone. It can be repeated: for a member
// that was removed already, it only waits.
func (s *Server) removeMember(ctx context.Context, who string) error {
	m := s.cfg.member
	ctx, cancel := context.WithTimeout(ctx, removeTimeout)
	defer cancel()
	if s.store.Level() < eventlog.MemberLevel {
		return errOldMembers
	}
	members, err := m.members()
	if err != nil {
		return err
	}
	leaves, err := memberToRemove(members, who)
	switch {
	case err != nil:
		return err
	case leaves.Name == m.name:
		return fmt.Errorf("%w: %s is the member that was asked; give this command to another one", errMembers, leaves.Address)
	case !leaves.Gone():
		st := m.status(ctx)
		if err := st.refusedChange(leaves.Name); err != nil {
			return err
		}
		gone := eventlog.Command{Kind: eventlog.Member, Body: eventlog.MemberBody{Name: leaves.Name, Gone: true}}
		if _, err := runCommands(s.eventlog.Submit, ctx.Done(), gone); err != nil {
			return err
		}
	}
	for { // the leader removes the replica; if the member led, there is no leader for a while
		if stream, err := m.stream.Status(ctx); err == nil && stream.Replicas[leaves.Name] == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the member %s is removed, and its replica is not yet; the members keep trying", leaves.Address)
		case <-time.After(joinInterval):
		}
	}
}

// memberToRemove returns the member with an address or a name: if there are several, the one that was not removed, or else the one
// removed last.
func memberToRemove(members []eventlog.MemberInfo, who string) (found eventlog.MemberInfo, err error) {
	var addresses []string
	ok := false
	for _, info := range members {
		if !info.Gone() {
			addresses = append(addresses, info.Address)
		}
		if info.Address != who && info.Name != who {
			continue
		}
		if !ok || found.Gone() && (!info.Gone() || info.Left > found.Left) {
			found, ok = info, true
		}
	}
	if !ok {
		return found, fmt.Errorf("%w: %.80q is not the address of a member; the members are %s", errMembers, who, strings.Join(addresses, ", "))
	}
	return found, nil
}

// canAdd returns why no member can be added at an address; nil: it can.
func (s *Server) canAdd(ctx context.Context, address string) error {
	if err := jetstream.CheckAddress(address); err != nil {
		return err
	}
	if s.store.Level() < eventlog.MemberLevel {
		return errOldMembers
	}
	members, err := s.cfg.member.members()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(members, func(info eventlog.MemberInfo) bool { return !info.Gone() && info.Address == address }) {
		return fmt.Errorf("%w: %s is the address of a member already; if that one is lost, remove it first: ramai cluster remove %s", errMembers, address, address)
	}
	if refused := eventlog.RefusedMember(members, "", address, eventlog.MaxMembers); refused != "" {
		return fmt.Errorf("%w: %s", errMembers, refused)
	}
	st := s.cfg.member.status(ctx)
	st.Members = slices.DeleteFunc(st.Members, func(m MemberStatus) bool { return m.Name == "" || m.Address == address })
	return st.refusedChange("")
}

// changeMembers answers a command of the operator about a member.
func (s *Server) changeMembers(change func(ctx context.Context, who string) error) http.HandlerFunc {
	return func(out http.ResponseWriter, r *http.Request) {
		if s.cfg.member == nil {
			http.Error(out, errAlone, http.StatusNotFound)
			return
		}
		who, err := io.ReadAll(http.MaxBytesReader(out, r.Body, 1<<10))
		if err != nil {
			http.Error(out, "the body is too large; it must be the address of a member", http.StatusRequestEntityTooLarge)
			return
		}
		switch err := change(r.Context(), strings.TrimSpace(string(who))); {
		case errors.Is(err, errMembers):
			http.Error(out, err.Error(), http.StatusConflict)
		case err != nil:
			http.Error(out, err.Error(), http.StatusServiceUnavailable)
		}
	}
}
