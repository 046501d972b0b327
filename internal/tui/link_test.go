package tui

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"ramai/internal/qr"
	"ramai/wire"
)

// onLAN sets the address that other machines use.
func onLAN(address string) func(*Config, *fakeChat) {
	return func(c *Config, _ *fakeChat) {
		c.Reachable = func(context.Context) *url.URL {
			if address == "" {
				return nil
			}
			u, _ := url.Parse(address)
			return u
		}
	}
}

// TestLink: the panel shows the address that other machines can use, and its QR code.
func TestLink(t *testing.T) {
	for _, c := range []struct {
		width, height int
		code          bool
	}{{80, 24, true}, {120, 40, true}, {40, 15, false}, {20, 6, false}} {
		st := newHarness(t, c.width, c.height, onLAN("http://192.168.1.5:2000"))
		st.do(st.Init())
		st.welcome("anna", 0)
		if c.height >= 8 {
			st.has("192.168.1.5")
			st.hasNot("127.0.0.1", "on this machine only")
		}
		st.types("/link")
		st.press("enter")
		st.has("192.168.1.5")
		if got := strings.Contains(st.shown(), "▀"); got != c.code {
			t.Errorf("%d by %d: a QR code: %v, want %v\n%s", c.width, c.height, got, c.code, st.shown())
		}
		if c.height > 10 && !c.code {
			st.has("The QR code does not fit")
		}
	}
	st := newHarness(t, 80, 24, onLAN("")) // other machines cannot reach it
	st.do(st.Init())
	st.welcome("anna", 0)
	st.has("127.0.0.1", "(on this machine only)")
	st.types("/link")
	st.press("enter")
	st.has("http://127.0.0.1:2000/", "It works on this machine only")
	st.hasNot("▀")
}

// TestLinkMoves: after a laptop has changed networks, /link shows the new address.
func TestLinkMoves(t *testing.T) {
	address := "http://192.168.1.5:2000"
	st := newHarness(t, 80, 24, func(c *Config, f *fakeChat) {
		c.Reachable = func(ctx context.Context) *url.URL { u, _ := url.Parse(address); return u }
	})
	st.do(st.Init())
	st.welcome("anna", 3)
	address = "http://10.0.0.7:2000"
	st.types("/link 2")
	st.press("enter")
	st.has("The address of message 2 in lobby", "http://10.0.0.7:2000/#n2")
}

// TestQRCode compares the lines with those of package qr, which tests them.
func TestQRCode(t *testing.T) {
	const link = "http://192.168.1.5:2000/r/team"
	st := newHarness(t, 80, 24, nil)
	code, err := qr.Encode(link)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range st.style.qrCode(link, 20) {
		got = append(got, strings.TrimPrefix(ansi.Strip(line), " "))
	}
	if want := code.Blocks(); !slices.Equal(got, want) {
		t.Errorf("the code is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if lines := st.style.qrCode(link, 5); len(lines) == 0 || !strings.Contains(lines[0], "does not fit") {
		t.Errorf("in 5 rows the code is %q", lines)
	}
	if lines := st.style.qrCode(strings.Repeat("x", 5000), 20); lines != nil {
		t.Errorf("a text of 5,000 bytes has a code of %d lines", len(lines))
	}
}

// TestRoomList: all rooms of the server are listed, those on the screen first, and choosing one shows it.
func TestRoomList(t *testing.T) {
	var fail error
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.Rooms = []string{"tea"}
		c.ServerRooms = func(_ context.Context, after string) (*wire.RoomsResponse, error) {
			at := func(name string, count, day int) wire.RoomInfo {
				return wire.RoomInfo{Room: name, First: 1, Last: 5, Count: count, At: wire.TimeOf(start.AddDate(0, 0, day))}
			}
			if after == "" {
				return &wire.RoomsResponse{Rooms: []wire.RoomInfo{at("alone", 0, -9), at("busy", 12, 0), at("../evil", 99, 0)}, More: true}, fail
			}
			return &wire.RoomsResponse{Rooms: []wire.RoomInfo{at("lobby", 3, 0), at("quiet", 0, -1)}}, fail
		}
	})
	st.welcome("anna", 3)
	st.types("/list")
	st.press("enter")
	st.has("5 rooms; /join ROOM creates another", "lobby  3 here · newest 25 Nov 14:02 · joined", "busy   12 here · newest 25 Nov 14:02", "quiet  0 here · newest 24 Nov 14:02")
	st.hasNot("evil")
	var order []string
	for line := range strings.Lines(st.shown()) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "here" {
			order = append(order, f[0])
		}
	}
	if want := []string{"lobby", "tea", "busy", "quiet", "alone"}; !slices.Equal(order, want) {
		t.Errorf("the rooms are %q, want %q", order, want)
	}
	st.now = st.now.Add(panelGrace)
	st.press("down", "down", "enter")
	st.asked("join busy 50")
	if st.room().name != "busy" {
		t.Errorf("the room is %s", st.room().name)
	}

	fail = errors.New("connection refused")
	st.types("/rooms")
	st.press("enter")
	st.has("the others are unknown: connection refused", "lobby", "busy")
}

// TestRoomListEnds: the list ends even if the server has very many rooms, or never says that its list is complete.
func TestRoomListEnds(t *testing.T) {
	asked := 0
	st := newHarness(t, 80, 24, func(c *Config, _ *fakeChat) {
		c.ServerRooms = func(_ context.Context, after string) (*wire.RoomsResponse, error) {
			page := &wire.RoomsResponse{More: true}
			for i := range wire.MaxRooms {
				page.Rooms = append(page.Rooms, wire.RoomInfo{Room: fmt.Sprintf("r%d-%d", asked, i)})
			}
			asked++
			return page, nil
		}
	})
	st.welcome("anna", 3)
	st.types("/rooms")
	st.press("enter")
	st.has("the first 2,001 rooms")
	if asked != maxRoomPages {
		t.Errorf("%d pages were asked for", asked)
	}
}
