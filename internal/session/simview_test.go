package session

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"ramai/wire"
)

// transcript is what all clients have received, by room and number.
type transcript map[string]map[uint64]*numbered

// numbered is what clients have received under one number: a message in one or several forms, a change, or another record.
type numbered struct {
	forms      map[uint64]wire.Message // of a message: by the number of the change that made them; 0: as it was posted; without tallies
	tallies    map[uint64]wire.Counts  // of a message: by the number of the tally
	other      wire.Frame              // a wire.Tally or wire.State; nil: it is neither
	change     *wire.Changed           // nil: it is not a change, or was received superseded only
	superseded *wire.Changed           // nil: it was not received superseded
}

// at returns what was received under a number so far.
func (t transcript) at(room string, n uint64) *numbered {
	if t[room] == nil {
		t[room] = map[uint64]*numbered{}
	}
	if t[room][n] == nil {
		t[room][n] = &numbered{forms: map[uint64]wire.Message{}, tallies: map[uint64]wire.Counts{}}
	}
	return t[room][n]
}

// forgetAbove removes what a room has lost.
func (t transcript) forgetAbove(room string, last uint64) {
	maps.DeleteFunc(t[room], func(n uint64, _ *numbered) bool { return n > last })
	for _, r := range t[room] {
		maps.DeleteFunc(r.forms, func(edited uint64, _ wire.Message) bool { return edited > last })
		maps.DeleteFunc(r.tallies, func(tallied uint64, _ wire.Counts) bool { return tallied > last })
	}
}

// identity returns the fields of a message that no change changes, not even a deletion.
func identity(m wire.Message) wire.Message {
	m.Text, m.Re, m.Edited, m.EditedAt, m.Gone = "", 0, 0, 0, false
	m.As, m.Options = "", nil
	return m
}

// untallied returns a message without its counts.
func untallied(m wire.Message) wire.Message {
	m.Tally, m.Tallied = nil, 0
	return m
}

// record compares a message with what was received under its number before.
func (s *sim) record(who string, m wire.Message) {
	r := s.transcript.at(m.Room, m.N)
	if r.change != nil || r.superseded != nil || r.other != nil {
		s.t.Fatalf("%s receives %+v, another client a change, a tally or a setting", who, m)
	}
	s.recordCounts(who, r, m)
	m = untallied(m)
	for edited, other := range r.forms {
		if !reflect.DeepEqual(identity(other), identity(m)) || edited == m.Edited && !reflect.DeepEqual(other, m) || !m.Gone && !other.Gone && (m.Re != other.Re || m.As != other.As || !slices.Equal(m.Options, other.Options)) || other.Gone && edited < m.Edited {
			s.t.Fatalf("%s receives %+v, another client %+v", who, m, other)
		}
	}
	if m.Gone && (m.Text != "" || m.Re != 0 || m.As != "" || m.Options != nil || m.Edited == 0) {
		s.t.Fatalf("%s receives a deleted message %+v", who, m)
	}
	r.forms[m.Edited] = m
	s.checkErased(who, m.Text)
}

// recordChange compares a change with what was received under its number before.
func (s *sim) recordChange(who string, f wire.Changed) {
	r := s.transcript.at(f.Room, f.N)
	full, same := f, &r.change
	if len(f.Of) == 0 {
		same = &r.superseded
		if f.Text != nil {
			s.t.Fatalf("%s receives a superseded change with the text %q", who, *f.Text)
		}
	} else if f.Text != nil {
		s.checkErased(who, *f.Text)
	}
	if *same == nil {
		*same = &full
	}
	if len(r.forms) > 0 || r.other != nil || !reflect.DeepEqual(**same, f) {
		s.t.Fatalf("%s receives %+v, another client %+v or %+v", who, f, **same, r.forms)
	}
	if a, b := r.change, r.superseded; a != nil && b != nil && (a.SenderID != b.SenderID || a.DisplayName != b.DisplayName || a.ID != b.ID || a.At != b.At) {
		s.t.Fatalf("%s receives %+v, which was %+v before or after it was superseded", who, *b, *a)
	}
}

// posted returns who posted what a number stands for, and under which id.
func (r *numbered) posted() (senderID, id string) {
	for _, m := range r.forms {
		return m.SenderID, m.ID
	}
	if r.superseded != nil {
		return r.superseded.SenderID, r.superseded.ID
	}
	switch f := r.other.(type) {
	case wire.State:
		return f.SenderID, f.ID
	case wire.Tally:
		return "", ""
	}
	return r.change.SenderID, r.change.ID
}

// isMessage reports whether a message was received under a number.
func (s *sim) isMessage(room string, n uint64) bool {
	return s.transcript[room][n] != nil && len(s.transcript[room][n].forms) > 0
}

// erasure is why a text must not be sent any more: change by of a room has replaced it.
type erasure struct {
	room string
	by   uint64
}

// erase notes which texts must not be sent any more, now that a client was told that a change is saved. The nodes of a
// cluster apply it one after the other.
func (s *sim) erase(p *v1Client, f wire.Saved) {
	i := slices.IndexFunc(p.posts, func(q *post) bool { return q.room == f.Room && q.id == f.ID })
	if i < 0 || p.posts[i].of == 0 || s.set.cluster != nil {
		return
	}
	for _, q := range p.posts[:i] {
		if of := p.posts[i].of; q.room == f.Room && !q.doubtful && (q.of == of || q.n == of) {
			s.erased[q.text] = erasure{f.Room, f.N}
		}
	}
}

// simText finds the text of a client in a line of the plain protocol.
var simText = regexp.MustCompile(`(?s)(person \d|plain client) says \d+( and on\n)*`)

func (s *sim) checkErased(who, text string) {
	if e, ok := s.erased[text]; ok {
		s.t.Fatalf("%s receives %q, which change %d of %s has replaced with its author informed", who, text, e.by, e.room)
	}
}

// view is what one client has received of the messages of a room.
type view struct {
	forms   map[uint64][]form
	changes []wire.Changed // without superseded ones
	tallies []wire.Tally

	settings   map[string]wire.Value
	settingsAt uint64 // number as of which the newest joined stated them
	hidden     bool   // a gap after that may have hidden a change of them: the room keeps the settings of deleted records
}

// form is a message as it was received: as a frame, or in a page that was read when the newest number was asOf.
type form struct {
	wire.Message
	asOf uint64
}

func (f form) version() uint64 { return max(f.asOf, f.Edited, f.N) }

func (f form) talliedVersion() uint64 { return max(f.asOf, f.Tallied, f.N) }

func (v *view) message(s *sim, who string, m wire.Message, asOf uint64) {
	s.record(who, m)
	if v.forms == nil {
		v.forms = map[uint64][]form{}
	}
	v.forms[m.N] = append(v.forms[m.N], form{m, asOf})
}

func (v *view) change(s *sim, who string, f wire.Changed) {
	s.recordChange(who, f)
	if len(f.Of) > 0 {
		v.changes = append(v.changes, f)
	}
	if n := f.Of.One(); n > 0 && f.Text == nil {
		delete(v.settings, fmt.Sprint(wire.PollPrefix, n))
		delete(v.settings, fmt.Sprint(wire.QuestionPrefix, n))
	}
}

func (v *view) gap(f wire.Gap) { v.hidden = v.hidden || f.To > v.settingsAt }

// join replaces the settings with those that a joined states as of number n.
func (v *view) join(settings map[string]wire.Value, n uint64) {
	v.settings, v.settingsAt, v.hidden = map[string]wire.Value{}, n, false
	maps.Copy(v.settings, settings)
}

// forgetAbove removes the forms that messages have by changes that the client has not received. In another epoch they may
// never have been made.
func (v *view) forgetAbove(position uint64) {
	for n, forms := range v.forms {
		v.forms[n] = slices.DeleteFunc(forms, func(f form) bool { return max(f.version(), f.Tallied) > position })
	}
}

// rows returns the messages as they are after all that was received, in whatever order it came.
func (v *view) rows() map[uint64]wire.Message {
	rows := map[uint64]wire.Message{}
	for n, forms := range v.forms {
		if len(forms) == 0 {
			continue
		}
		newest := slices.MaxFunc(forms, func(a, b form) int { return int(a.version()) - int(b.version()) })
		m := newest.Message
		for _, f := range v.changes { // ascending
			if f.Of.One() != n || f.N <= newest.version() {
				continue
			}
			if m.Edited = f.N; f.Text == nil {
				m.Text, m.Re, m.As, m.Options, m.EditedAt, m.Gone = "", 0, "", nil, 0, true
			} else {
				m.Text, m.EditedAt = *f.Text, f.At
			}
		}
		v.tallyRow(&m)
		rows[n] = m
	}
	return rows
}
