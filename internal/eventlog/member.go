package eventlog

import (
	"fmt"

	"ramai/wire"
)

// MemberLevel is the level from which the members of a cluster are part of the state.
const MemberLevel = 6

// MinMembers and MaxMembers are how many members a cluster has.
const (
	MinMembers = 2 // for a while, until a member that was removed is replaced
	MaxMembers = 5
)

// MemberBody is the body of a Member. A member of a cluster submits one after each start, and from time to time, and says what it
// is. The first one makes it a member. With Gone, any member submits it for an operator: the member Name has left for good, and
// never becomes a member again, because the others would rely on votes that it may have forgotten. That is refused if fewer than
// two would be left, unless the data is that of a server that runs alone now: see ramai cluster repair.
//
// The command needs no id: repeated, it changes nothing.
type MemberBody struct {
	_       struct{} `cbor:",toarray"`
	Name    string   // of the member, as a node
	Address string   // at which other members reach it; empty with Gone
	Version string   // of its program; empty with Gone
	Level   uint64   // of its program; 0 with Gone
	Size    uint64   // how many members its settings name, 3 or 5; 0 with Gone
	Applied uint64   // the position of its newest batch on its disk; 0 with Gone
	Starts  uint64   // how often its replica was started; 0 with Gone
	Gone    bool
}

func (MemberBody) kind() Kind { return Member }

type memberKind struct {
	onDemand
	withBody[MemberBody]
	noRecords
}

func (memberKind) name() string { return "member" }

func (memberKind) check(c *Command) error {
	body, err := bodyOf[MemberBody](c)
	if err != nil {
		return err
	}
	if err := checkString(Member, "name", body.Name, maxName, true); err != nil {
		return err
	}
	if err := checkString(Member, "address", body.Address, maxName, !body.Gone); err != nil {
		return err
	}
	if err := checkString(Member, "version", body.Version, maxName, false); err != nil {
		return err
	}
	switch {
	case body.Gone && body != (MemberBody{Name: body.Name, Gone: true}):
		return fmt.Errorf("a member command says that %s has left, and what it is", body.Name)
	case !body.Gone && (body.Size < 1 || body.Size > MaxMembers):
		return fmt.Errorf("a member command has a cluster of %d members, want 1 to %d", body.Size, MaxMembers)
	case body.Level > maxLevel:
		return fmt.Errorf("a member command has the level %d, want at most %d", body.Level, maxLevel)
	}
	return checkHead(c, 0)
}

// A MemberInfo is the stored state of a member, as it last announced itself. The value of an entry of Members, whose key is the name.
type MemberInfo struct {
	_         struct{} `cbor:",toarray"`
	Name      string
	Address   string
	Version   string
	Level     uint64
	Size      uint64
	Applied   uint64    // a position up to which it had everything on its disk
	Starts    uint64    // how often its replica was started
	Joined    wire.Time // when it first announced itself
	Announced wire.Time // when it last did
	Left      wire.Time // when it was removed; 0: it is a member
}

// Gone reports whether a member was removed.
func (m *MemberInfo) Gone() bool { return m.Left != 0 }

func (memberKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[MemberBody](o.Command)
	if err != nil {
		return err
	}
	members, err := MembersOf(tx)
	if err != nil {
		return err
	}
	var m *MemberInfo
	for i := range members {
		if members[i].Name == body.Name {
			m = &members[i]
		}
	}
	switch {
	case body.Gone && m == nil:
		o.refuse(wire.BadRequest, fmt.Sprintf("the cluster has no member with the name %s", body.Name))
		return nil
	case body.Gone && m.Gone():
		return nil
	case body.Gone && c.node != LocalNode && remaining(members) <= MinMembers:
		o.refuse(wire.NotAllowed, fmt.Sprintf("the cluster has only %d members left, and needs 2; start another member with an empty folder first", remaining(members)))
		return nil
	case body.Gone:
		m.Left = c.at
		return putMember(tx, m)
	case c.node != body.Name:
		o.refuse(wire.NotAllowed, fmt.Sprintf("the member %s announces the member %s; each announces itself", c.node, body.Name))
		return nil
	}
	if refused := RefusedMember(members, body.Name, body.Address, body.Size); refused != "" {
		o.refuse(wire.NotAllowed, refused)
		return nil
	}
	if m == nil {
		m = &MemberInfo{Name: body.Name, Joined: c.at}
	}
	m.Address, m.Version, m.Level, m.Size, m.Announced = body.Address, body.Version, body.Level, body.Size, c.at
	m.Applied, m.Starts = max(m.Applied, body.Applied), max(m.Starts, body.Starts)
	return putMember(tx, m)
}

// remaining returns how many members were not removed.
func remaining(members []MemberInfo) (count int) {
	for i := range members {
		if !members[i].Gone() {
			count++
		}
	}
	return count
}

// RefusedMember returns why a node cannot be one of the members; empty: it can. size is how many members its settings name.
func RefusedMember(members []MemberInfo, name, address string, size uint64) string {
	count := uint64(0)
	for i := range members {
		m := &members[i]
		switch {
		case m.Name == name && m.Gone():
			return fmt.Sprintf("the member %s with the address %s was removed from the cluster; start it with an empty folder, so that it joins as a new member", name, m.Address)
		case m.Gone(), m.Name == name:
			continue
		case m.Address == address:
			return fmt.Sprintf("the cluster has another member with the address %s, %s; if that one is lost, remove it first: ramai cluster remove %s", address, m.Name, address)
		}
		count++
		size = max(size, m.Size)
	}
	if count >= size {
		return fmt.Sprintf("the cluster has %d members, as many as its settings name; remove one first (ramai cluster remove), or start this one with the addresses of 5 members in --cluster", count)
	}
	return ""
}

func putMember(tx Tx, m *MemberInfo) error {
	value, err := encoding.Marshal(m)
	if err != nil {
		return err
	}
	if err := tx.PutEntry(&Entry{Table: Members, Key: m.Name, Value: string(value)}); err != nil {
		return err
	}
	return beginChain(tx)
}

// MembersOf returns the stored members of a cluster by name, with those that were removed.
func MembersOf(r EntryReader) (members []MemberInfo, err error) {
	for after := ""; ; {
		entries, err := r.Entries(Members, "", "", after, MaxEntries)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			var m MemberInfo
			if err := decoding.Unmarshal([]byte(e.Value), &m); err != nil {
				return nil, fmt.Errorf("%w: the member %q: %w", ErrDamaged, e.Key, err)
			}
			members = append(members, m)
			after = e.Key
		}
		if len(entries) < MaxEntries {
			return members, nil
		}
	}
}
