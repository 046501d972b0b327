package commands

import (
	"strings"
	"testing"
	"time"

	"ramai/wire"
)

// TestDevice: a device shows a code, and is let in only after its name was shown and confirmed.
func TestDevice(t *testing.T) {
	h := newHost()
	if got := h.run(t, "/device"); !strings.HasPrefix(got, "link code for a terminal\nUse the identity") || !strings.Contains(got, "/device ABCD-2345") || !strings.Contains(got, "for 5 minutes") {
		t.Errorf("the code is shown as\n%s", got)
	}
	want := "link abcd-2345 confirm false\n? Let the device \"anna's phone\" post as you? Go on only if it is yours and shows this code."
	if got := h.run(t, "/device abcd-2345"); got != want {
		t.Fatalf("%s\nwant\n%s", got, want)
	}
	h.said = nil
	h.confirm.Do(h)
	if got, want := strings.Join(h.said, "\n"), "link abcd-2345 confirm true\nthe device \"anna's phone\" posts as you now; /signout all ends that"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h.confirm, h.fail = nil, &wire.CodedError{Code: wire.BadRequest, Reason: "no other device shows this code now"}
	if got := h.run(t, "/device x"); h.confirm != nil || !strings.HasSuffix(got, "! bad_request: no other device shows this code now") {
		t.Errorf("a wrong code: %s", got)
	}
	if got, want := RefusedBy(&wire.CodedError{Code: wire.RateLimited, Reason: "slower", RetryAfter: 250 * time.Second}).Sentence(start, h.When), "too many attempts; try again in 4 minutes 10 seconds"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestSignOut: nothing ends before it was confirmed.
func TestSignOut(t *testing.T) {
	for line, want := range map[string]string{
		"/signout":     "? Sign out here?|sign out all false\nsigned out on this device",
		"/signout ALL": "? Sign out on all devices?|sign out all true\nsigned out on all devices",
	} {
		h := newHost()
		question, after, _ := strings.Cut(want, "|")
		if got := h.run(t, line); !strings.HasPrefix(got, question) {
			t.Fatalf("%s asks %s", line, got)
		}
		h.said = nil
		h.confirm.Do(h)
		if got := strings.Join(h.said, "\n"); got != after {
			t.Errorf("%s: %s, want %s", line, got, after)
		}
	}
	h := newHost()
	if got := h.run(t, "/signout anna"); h.confirm != nil || got != "! /signout ends this session, /signout all those on all devices" {
		t.Error(got)
	}
	if got, want := Identity(wire.Welcome{SenderID: "idOfBudi00000000", Name: "budi"})+", "+Identity(wire.Welcome{SenderID: "ab12000000000000"}), "you are budi now, you are guest ab12 now"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
