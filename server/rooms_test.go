package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// guest is a member of a room.
type guest struct{}

func (guest) Wake()                   {}
func (guest) Interrupt()              {}
func (guest) Judged(*eventlog.Judged) {}

func (guest) Marked(*eventlog.Outcome, *eventlog.ReplyTo) {}
func (guest) SenderID() string                            { return "guest" }
func (guest) RemoteAddr() netip.AddrPort                  { return netip.AddrPort{} }

// roomsHarness is a server whose rooms the test cleans up.
type roomsHarness struct {
	*testing.T
	*Server
	clock atomic.Int64 // of the server, in nanoseconds since 1970
	r     *roomCleaner
	ids   int

	clockTrusted bool
}

func newRoomsHarness(t *testing.T, maxRooms int) *roomsHarness {
	st := &roomsHarness{T: t}
	st.clock.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	cfg := Defaults()
	cfg.InMemory, cfg.Logger, cfg.Quiet, cfg.MaxRooms = true, slog.New(slog.DiscardHandler), true, maxRooms
	cfg.noMaintenance = true
	cfg.Now = st.now
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	st.Server = s
	st.r = &roomCleaner{operator: s.chat.Operator(), occupied: s.hub.Occupied, clockTrusted: func() bool { return st.clockTrusted }, maxRooms: maxRooms}
	return st
}

func (st *roomsHarness) now() time.Time { return time.Unix(0, st.clock.Load()).UTC() }

// say posts n messages in a room and returns whether the last one was saved.
func (st *roomsHarness) say(name string, n int) bool {
	st.Helper()
	var o *eventlog.Outcome
	for range n {
		var err error
		st.ids++
		o, err = st.chat.Operator().Decide(context.Background(), eventlog.Command{Kind: eventlog.Say, SenderID: "anna", Room: name, ID: fmt.Sprint(st.ids), Text: "x"})
		if err != nil {
			st.Fatal(err)
		}
	}
	return o.Status == eventlog.Saved
}

func (st *roomsHarness) tidy(want int) {
	st.Helper()
	if got, err := st.r.tidy(context.Background(), st.now()); err != nil || got != want {
		st.Fatalf("%d rooms were removed, %v, want %d", got, err, want)
	}
}

// TestTooManyRooms: if rooms are created endlessly, unused ones are removed for others, and used ones stay.
func TestTooManyRooms(t *testing.T) {
	st := newRoomsHarness(t, 100)
	st.say(wire.Lobby, 1)
	st.say("team", 30)
	st.say("visited", 1)
	defer st.hub.Join("visited", room.JSON, guest{}).Leave()
	st.clock.Add(int64(24 * time.Hour))
	for i := range 200 {
		if saved := st.say(fmt.Sprint("junk", i), 1); saved != (i < 97) {
			t.Fatalf("room %d was created: %v", i, saved)
		}
	}
	st.tidy(0)         // they are too new
	st.say("class", 1) // refused for the same reason
	st.clock.Add(int64(time.Hour))
	st.tidy(0) // the clock may be ahead
	st.clockTrusted = true
	st.r.operator.Store = unreadable{st.store}
	st.tidy(10)
	if !st.say("class", 3) {
		t.Fatal("no room can be created")
	}
	for _, name := range []string{wire.Lobby, "team", "visited", "class"} {
		if st.store.Bounds(name).Empty() {
			t.Errorf("%s is gone", name)
		}
	}
	st.clock.Add(int64(100 * 24 * time.Hour))
	for i := range 200 { // others with more messages; the earlier ones are removed first
		st.say(fmt.Sprint("more", i), 2)
	}
	st.clock.Add(int64(2 * time.Hour))
	st.tidy(10)
	left := 0
	for name, h := range st.store.AllBounds() {
		if h.Last == 1 && name != wire.Lobby {
			left++
		}
	}
	if left != 97-10-10+1 {
		t.Errorf("%d rooms with one message are left", left)
	}
}

// unreadable is a store whose messages cannot be read.
type unreadable struct{ eventlog.Store }

func (unreadable) Read(string, uint64, int) ([]eventlog.Record, eventlog.Bounds, error) {
	return nil, eventlog.Bounds{}, eventlog.ErrDamaged
}

// TestListRooms: the operator's list of rooms does not need their messages.
func TestListRooms(t *testing.T) {
	st := newRoomsHarness(t, 100)
	st.say("den", 3)
	st.clock.Add(int64(time.Hour))
	st.say("attic", 1)
	want := []chat.RoomInfo{{Room: "attic", First: 1, Last: 1, At: wire.TimeOf(st.now()), Members: 7}, {Room: "den", First: 1, Last: 3, At: wire.TimeOf(st.now().Add(-time.Hour)), Members: 7}}
	if got := (&chat.Operator{Store: unreadable{st.store}}).Rooms(func(string) int { return 7 }); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestEmptyRoomsRemoved: a room that retention has emptied is removed when it has no members, and its numbers continue.
func TestEmptyRoomsRemoved(t *testing.T) {
	st := newRoomsHarness(t, 100)
	st.say("den", 3)
	st.say(wire.Lobby, 3)
	for _, name := range []string{"den", wire.Lobby} {
		if _, err := st.chat.Operator().Decide(context.Background(), eventlog.Command{Kind: eventlog.Trim, Room: name, Body: eventlog.TrimBody{To: 3}}); err != nil {
			t.Fatal(err)
		}
	}
	leave := st.hub.Join("den", room.JSON, guest{}).Leave
	st.tidy(0)
	if len(st.store.AllBounds()) != 2 {
		t.Fatal("a room with a member was removed")
	}
	leave()
	st.tidy(0)
	if heads := st.store.AllBounds(); len(heads) != 1 || st.store.Bounds("den") != (eventlog.Bounds{First: 4, Last: 3}) {
		t.Errorf("there are %v", heads)
	}
	if st.say("den", 1); st.store.Bounds("den") != (eventlog.Bounds{First: 4, Last: 4}) {
		t.Error("a number was assigned twice")
	}
}
