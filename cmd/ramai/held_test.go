package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"ramai/wire"
)

// A caller makes requests as one sender, each until it is answered.
type caller struct {
	t       *testing.T
	address string
	session string
}

func (c caller) by() string { return wire.SenderIDOf(c.session) }

// answered is what a client saw of an answer.
type answered struct {
	status int
	wire.PostResponse
	refused wire.Error
	body    string
}

// call makes a request until it is answered. wrote is called when the first attempt was handed to the system, or has failed.
func (c caller) call(method, path, body string, wrote func()) answered {
	deadline := time.Now().Add(time.Minute)
	for first := true; ; first = false {
		ctx := context.Background()
		if first && wrote != nil {
			ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { wrote() }})
		}
		if a, err := c.try(ctx, method, path, body); err == nil && a.status != http.StatusServiceUnavailable {
			return a
		} else if time.Now().After(deadline) {
			c.t.Errorf("%s %s %s is not answered: %v", method, path, body, err)
			return a
		}
		time.Sleep(20 * time.Millisecond) // the server starts again
	}
}

func (c caller) try(ctx context.Context, method, path, body string) (a answered, err error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+"/api/v1/rooms/den/"+path, strings.NewReader(body))
	if err != nil {
		return a, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+c.session)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	a.status, a.body = resp.StatusCode, string(got)
	if a.status < 300 {
		return a, json.Unmarshal(got, &a.PostResponse)
	}
	return a, json.Unmarshal(got, &a.refused)
}

func (c caller) say(id string) answered {
	return c.call(http.MethodPost, "messages", fmt.Sprintf(`{"id":%q,"text":"text of %s"}`, id, id), nil)
}

// TestHeldKilled kills the server between a message is held and a moderator decides about it, and while moderators decide: two of
// them differently about one message. Nothing that was held is lost, and nothing is decided twice, as far as clients see it.
func TestHeldKilled(t *testing.T) {
	t.Parallel()
	s := &killedServer{t: t, folder: t.TempDir(), address: freeAddress(t)}
	s.start()
	defer func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server's log:\n%s", s.log.String())
		}
	}()
	as := func(who string) caller {
		return caller{t: t, address: s.address, session: (who + strings.Repeat("0", wire.SessionLen))[:wire.SessionLen]}
	}
	owner, moderator, author := as("owner"), as("moderator"), as("author")
	owner.say("first")
	for key, value := range map[string]string{"role/" + moderator.by(): "moderator", "hold": "all"} {
		if got := owner.call(http.MethodPut, "state/"+key, fmt.Sprintf(`{"value":%q}`, value), nil); got.status != http.StatusOK {
			t.Fatalf("setting %s: %+v", key, got)
		}
	}
	decided := map[string]uint64{} // number of an approved message by id; 0: it was rejected
	for round := range 4 {
		both, approved, rejected := fmt.Sprint("both", round), fmt.Sprint("approved", round), fmt.Sprint("rejected", round)
		for _, id := range []string{both, approved, rejected} {
			if got := author.say(id); got.refused.Code != wire.Held {
				t.Fatalf("%s is answered by %+v", id, got)
			}
		}
		if round%2 == 0 {
			s.kill()
			s.start()
		}
		// The server is killed when the requests are written, or after the first answer.
		var wrote, all sync.WaitGroup
		var once sync.Once
		first := make(chan struct{})
		decide := func(who caller, verb, id string, got *answered) {
			wrote.Add(1)
			done := sync.OnceFunc(wrote.Done)
			all.Go(func() {
				defer done()
				*got = who.call(http.MethodPost, "moderate", fmt.Sprintf(`{"id":"%s-%s",%q:{"by":%q,"held":%q}}`, verb, id, verb, author.by(), id), done)
				once.Do(func() { close(first) })
			})
		}
		var yes, no, onlyYes, onlyNo answered
		decide(owner, "approve", both, &yes)
		decide(moderator, "reject", both, &no)
		decide(owner, "approve", approved, &onlyYes)
		decide(moderator, "reject", rejected, &onlyNo)
		wrote.Wait()
		if round > 1 {
			<-first
		}
		s.kill()
		s.start()
		all.Wait()
		switch {
		case yes.status == http.StatusOK && no.refused.Code == wire.Gone:
			decided[both] = yes.N
		case yes.refused.Code == wire.Gone && no.status == http.StatusOK:
			decided[both] = 0
		default:
			t.Fatalf("approving %s is answered by %+v, and rejecting it by %+v", both, yes, no)
		}
		if onlyYes.status != http.StatusOK || onlyYes.N == 0 || onlyNo.status != http.StatusOK {
			t.Fatalf("approving %s is answered by %+v, and rejecting %s by %+v", approved, onlyYes, rejected, onlyNo)
		}
		decided[approved], decided[rejected] = onlyYes.N, 0
	}
	posted := map[string]uint64{}
	var page wire.HistoryResponse
	if got := author.call(http.MethodGet, "messages?limit=100", "", nil); json.Unmarshal([]byte(got.body), &page) != nil {
		t.Fatalf("a page: %+v", got)
	}
	for _, m := range page.Messages {
		if posted[m.ID] != 0 {
			t.Errorf("%s is posted as number %d and as %d", m.ID, posted[m.ID], m.N)
		}
		posted[m.ID] = m.N
	}
	for id, n := range decided {
		again := author.say(id)
		if posted[id] != n || again.N != n || n == 0 && (again.refused.Code != wire.Held || again.refused.Params[wire.ParamWhy].Text == nil) {
			t.Errorf("%s was decided with the number %d, is posted as number %d, and is answered by %+v", id, n, posted[id], again)
		}
	}
	if len(posted) != 1+len(decided)-strings.Count(fmt.Sprint(decided), ":0") {
		t.Errorf("posted are %v, and decided %v", posted, decided)
	}
}
