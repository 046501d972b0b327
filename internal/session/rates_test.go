package session

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ramai/wire"
)

var remote = netip.MustParseAddrPort("192.0.2.7:40000")

func TestV1Rates(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 4})
	l := st.v1()
	l.send(wire.History{Room: wire.Lobby}, wire.Who{Room: wire.Lobby}, wire.Who{Room: wire.Lobby})
	l.expect("page lobby empty more false", "who lobby 0 ", "error rate_limited")
	st.advance(time.Second)
	l.send(wire.Ping{}, wire.Ping{}, wire.Ping{}, wire.Leave{Room: "x"}) // free of charge
	l.expect("pong ", "pong ", "pong ")
}

// TestNamesArePaced: names are paced, not refused: with many others behind one address, each gets its own.
func TestNamesArePaced(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 1})
	l := st.v1()
	l.send(wire.Name{Name: "ann"}, wire.Name{Name: "bob"}, wire.Ping{ID: "end"})
	l.expect("name ann")
	st.advance(time.Second)
	l.expectOf("name pong", "name bob", "pong end")
}

// TestJoinsArePaced: joins are paced, not refused, and requests after one wait for it.
func TestJoinsArePaced(t *testing.T) {
	st := newHarness(t, setting{rate: 1, burst: 2})
	l := st.v1()
	for _, name := range []string{"a", "b", "c", "d"} {
		l.send(wire.Join{Room: name})
	}
	l.send(wire.Ping{ID: "end"})
	l.expect("joined a 1-0 count 1", "joined b 1-0 count 1")
	st.advance(time.Second)
	l.expectOf("joined pong", "joined c 1-0 count 1")
	st.advance(time.Second)
	l.expectOf("joined pong", "joined d 1-0 count 1", "pong end")
}

func TestPlainRoomCreationRateLimited(t *testing.T) {
	st := newHarness(t, setting{rate: 100, burst: 100})
	links := make([]*link, roomsAMinute+1)
	for i := range links {
		links[i] = st.plain(Client{Room: fmt.Sprint("r", i), Addr: remote})
		links[i].sendText("first")
	}
	for _, l := range links[:roomsAMinute] {
		l.expect("first")
	}
	last := links[roomsAMinute]
	last.expect()
	st.advance(6 * time.Second)
	last.expect("first")
}
