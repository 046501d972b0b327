package chat

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/room"
	"ramai/wire"
)

// newestLevel returns a server on which all kinds of commands count.
func newestLevel(t *testing.T, rates RateLimits) *server {
	t.Helper()
	c := newServer(t, rates)
	if err := c.submit(eventlog.Submission{Command: eventlog.Command{Kind: eventlog.Level, Body: eventlog.LevelBody{Level: eventlog.Current.Level()}}}, nil); err != nil {
		t.Fatal(err)
	}
	c.step()
	return c
}

// Questions are found one page after the other, whatever lies between them, and no page is too long.
func TestPagesOfQuestions(t *testing.T) {
	c := newestLevel(t, RateLimits{})
	ann := Actor{SenderID: "annaannaannaanna", Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	text := strings.Repeat("x", 100)
	var want []uint64
	for i := range 700 {
		m := Message{Room: "den", ID: fmt.Sprint(i), Text: text, As: []string{wire.Question, wire.Poll, ""}[i%3]}
		if m.As == wire.Poll {
			m.Options = []string{"yes", "no"}
		}
		if err := c.Say(&ann, &m, c.reply()); err != nil {
			t.Fatal(err)
		}
		o := c.step()[0]
		if o.Status != eventlog.Saved {
			t.Fatalf("message %d is %+v, %v", i, o, o.Err)
		}
		if m.As == wire.Question {
			want = append(want, o.N)
		}
	}
	if err := c.Change(&ann, &Change{Room: "den", ID: "c", Of: want[5]}, c.reply()); err != nil {
		t.Fatal(err)
	}
	c.step()
	want = append(want[:5], want[6:]...)
	for _, limit := range []int{0, 1, 7, 500} {
		var got []uint64
		for before, more := (*uint64)(nil), true; more; before = &got[0] {
			var page wire.Page
			err := c.History(&ann, wire.History{Room: "den", As: wire.Question, Before: before, Limit: limit}, func(p wire.Page, err error) {
				if page = p; err != nil {
					t.Error(err)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			c.step()
			if size := len(wire.Append(nil, page)); len(page.Messages) == 0 || limit > 0 && len(page.Messages) > limit || size > wire.PageBytes || page.Skipped != nil || page.As != wire.Question || page.Head != 701 || page.First != 1 {
				t.Fatalf("a page of %d has %d messages and %d bytes: %+v", limit, len(page.Messages), size, page)
			}
			var numbers []uint64
			for _, m := range page.Messages {
				if m.As != wire.Question || m.Text != text {
					t.Fatalf("a question is %+v", m)
				}
				numbers = append(numbers, m.N)
			}
			got, more = append(numbers, got...), page.More
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("page by page of %d, the questions are %v, want %v", limit, got, want)
		}
	}
}

// A setting is counted as a message, once, also if the queue is full when it comes first.
func TestSetCounts(t *testing.T) {
	c := newestLevel(t, RateLimits{PerSecond: 1, Burst: 2, Address: 1, Rooms: 9, AllRooms: 100})
	ann := Actor{SenderID: "annaannaannaanna", Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	set := func(id, topic string) *Setting {
		return &Setting{Room: "den", ID: id, Key: wire.TopicKey, Value: wire.TextValue(topic)}
	}
	submit := c.submit
	c.submit = func(eventlog.Submission, func()) error { return eventlog.ErrBusy }
	first := set("1", "  Cafe\u0301 ")
	for range 3 {
		if err := c.Set(&ann, first, c.reply()); err != eventlog.ErrBusy {
			t.Fatalf("with a full queue: %v", err)
		}
	}
	c.submit = submit
	for i, s := range []*Setting{first, set("2", "Tea")} {
		if err := c.Set(&ann, s, c.reply()); err != nil {
			t.Fatalf("setting %d: %v", i+1, err)
		}
		if o := c.step()[0]; o.Status != eventlog.Saved || o.N != uint64(i+1) {
			t.Fatalf("setting %d is %+v", i+1, o)
		}
		if got, _ := c.Settings(&ann, wire.StateRequest{Room: "den", Prefix: "topic"}); i == 0 && *got.Settings[0].Value.Text != "Café" {
			t.Errorf("the topic is %q, want it in normal form", *got.Settings[0].Value.Text)
		}
	}
	if err := c.Set(&ann, set("3", "Coffee"), c.reply()); Wait(err) == 0 {
		t.Errorf("the third setting of a burst of 2: %v", err)
	}
	var refused *wire.CodedError
	if err := c.Set(&ann, set("4", "   "), c.reply()); !errors.As(err, &refused) || refused.Code != wire.BadRequest {
		t.Errorf("an empty topic: %v", err)
	}
	for range 1000 { // pages of settings are work
		if _, err := c.Settings(&ann, wire.StateRequest{Room: "den"}); err != nil {
			if Wait(err) == 0 {
				t.Errorf("reading settings: %v", err)
			}
			return
		}
	}
	t.Error("settings can be read a thousand times at once")
}

// Who joins is told the settings of the moment of its position.
func TestJoinedState(t *testing.T) {
	c := newestLevel(t, RateLimits{})
	ann := Actor{SenderID: "annaannaannaanna", Addr: netip.MustParseAddrPort("192.0.2.1:1"), Protocol: V1}
	join := func() wire.Joined {
		t.Helper()
		j, err := c.Join(&ann, JoinRequest{Room: "den", Encoding: room.JSON, Member: member{&ann}, Last: 1})
		if err != nil {
			t.Fatal(err)
		}
		j.Subscription.Leave()
		return j.Welcome
	}
	if got := join(); got.State != nil {
		t.Errorf("a room without settings has %v", got.State)
	}
	if err := c.Set(&ann, &Setting{Room: "den", ID: "1", Key: wire.TopicKey, Value: wire.TextValue("Tea")}, c.reply()); err != nil {
		t.Fatal(err)
	}
	c.step()
	if got := join(); got.N != 1 || !got.State[wire.TopicKey].Equal(wire.TextValue("Tea")) || len(got.State) != 1 {
		t.Errorf("of number %d the settings are %v", got.N, got.State)
	}
}

// The operator posts notices, and sets what is about somebody else's messages.
func TestOperatorPosts(t *testing.T) {
	c := newestLevel(t, RateLimits{})
	ann := Actor{SenderID: "annaannaannaanna", Addr: netip.MustParseAddrPort("192.0.2.1:1")}
	o := c.Operator()
	o.Decide = func(_ context.Context, cmd eventlog.Command) (*eventlog.Outcome, error) {
		if err := c.submit(eventlog.Submission{Command: cmd, ReplyTo: c.reply().To}, nil); err != nil {
			return nil, err
		}
		return &c.step()[0], nil
	}
	ctx := context.Background()
	if err := c.Say(&ann, &Message{Room: "den", ID: "1", Text: "Tea?", As: wire.Poll, Options: []string{"yes", "no"}}, c.reply()); err != nil {
		t.Fatal(err)
	}
	c.step()
	if got, err := o.Say(ctx, Message{Room: "den", ID: "1", Text: "Fire drill at ten", As: wire.Notice}); err != nil || got.N != 2 || got.Status != eventlog.Saved {
		t.Errorf("a notice is %+v, %v", got, err)
	}
	if got, err := o.Say(ctx, Message{Room: "den", ID: "1", Text: "Fire drill at ten", As: wire.Notice}); err != nil || got.N != 2 || got.Status != eventlog.Repeat {
		t.Errorf("a notice, repeated, is %+v, %v", got, err)
	}
	if got, err := o.Set(ctx, Setting{Room: "den", ID: "2", Key: "poll/1", Value: wire.TextValue(wire.PollOver)}); err != nil || got.N != 3 {
		t.Errorf("closing a poll: %+v, %v", got, err)
	}
	if got := o.Settings("den", wire.PollPrefix); len(got) != 1 || *got[0].Value.Text != wire.PollOver {
		t.Errorf("the polls are %+v", got)
	}
	for what, err := range map[string]error{
		"a long notice":     second(o.Say(ctx, Message{Room: "den", ID: "3", Text: strings.Repeat("x", 101), As: wire.Notice})),
		"an unknown form":   second(o.Say(ctx, Message{Room: "den", ID: "3", Text: "x", As: "song"})),
		"an unknown key":    second(o.Set(ctx, Setting{Room: "den", ID: "3", Key: "colour", Value: wire.TextValue("red")})),
		"an unknown poll":   second(o.Set(ctx, Setting{Room: "den", ID: "3", Key: "poll/2", Value: wire.TextValue(wire.PollOver)})),
		"a stage of number": second(o.Set(ctx, Setting{Room: "den", ID: "3", Key: "stage", Value: wire.NumberValue(3)})),
	} {
		var refused *wire.CodedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var refused *wire.CodedError
	err := c.Say(&Actor{SenderID: strings.Repeat("bert", 4)}, &Message{Room: "den", ID: "9", Text: "x", As: wire.Notice}, c.reply())
	if got := c.step(); err != nil || got[0].Status != eventlog.Refused || got[0].Err.Code != wire.NotAllowed {
		t.Errorf("a notice of somebody else: %+v, %v", got, err)
	}
	if err := c.Say(&ann, &Message{Room: "den", ID: "9", Text: "x", As: wire.Poll, Options: []string{"a"}}, c.reply()); !errors.As(err, &refused) || refused.Code != wire.BadRequest {
		t.Errorf("a poll with one option: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }
