package commands

import (
	"errors"
	"strings"
	"testing"

	"ramai/wire"
)

// TestQueue: what waits is listed, and one message or several are decided about; several only after a question.
func TestQueue(t *testing.T) {
	held := func(n uint64, id, name, text string) wire.Message {
		return wire.Message{N: n, As: wire.HeldMessage, SenderID: "idOf" + id, DisplayName: name, ID: "m" + id, Text: text, At: wire.TimeOf(start)}
	}
	h := newHost()
	if got := h.run(t, "/approve"); got != "history of ~lobby\nno messages wait for a moderator" {
		t.Error(got)
	}
	gone := held(4, "Gone", "budi", "")
	gone.Gone = true
	poll := held(7, "Poll", "", "Which day?")
	poll.Options = []string{"Monday", "Tuesday"}
	h.logged = []wire.Message{{N: 1, Text: "talk"}, held(2, "Budi", "budi", "first"), gone, held(5, "Budi", "budi", "second"), poll}
	const list = "history of ~lobby\n3 messages waiting; /approve N or /reject N decides\n  budi 2  14:02  first\n  budi 5  14:02  second\n  guest idOf 7  14:02  Which day? | Monday | Tuesday"
	for _, line := range []string{"/approve", "/reject"} {
		if got := h.run(t, line); got != list {
			t.Errorf("%s: %s\nwant\n%s", line, got, list)
		}
	}
	h.said = nil
	h.answer.Pick(h, 1)
	h.choice.Do(h, 0)
	if got := strings.Join(h.said[len(h.said)-2:], "\n"); got != "approve idOfBudi mBudi\nthe message of budi is approved" {
		t.Errorf("chosen from the list: %s", got)
	}
	for line, want := range map[string]string{
		"/approve 2":     "approve idOfBudi mBudi\nthe message of budi is approved",
		"/reject #7":     "reject idOfPoll mPoll\nthe message of guest idOf is rejected",
		"/approve citra": "! no waiting message matches citra; /approve lists them with their numbers",
		"/reject 4":      "! no waiting message matches 4; /approve lists them with their numbers",
	} {
		if got := h.run(t, line); got != "history of ~lobby\n"+want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	if got, want := h.run(t, "/reject BUDI"), "history of ~lobby\n? Reject 2 messages?\n  budi first\n  budi second"; got != want {
		t.Fatalf("%s, want %s", got, want)
	}
	h.said = nil
	h.confirm.Do(h)
	if got := strings.Join(h.said, "\n"); strings.Count(got, "reject idOfBudi") != 2 {
		t.Error(got)
	}
	if h.run(t, "/approve all"); h.confirm.Question != "Approve 3 messages?" {
		t.Errorf("all: %s", h.confirm.Question)
	}
}

// TestWithdraw: the author takes back the message that waits, all of them, or one that is chosen.
func TestWithdraw(t *testing.T) {
	h := newHost()
	for _, step := range []struct {
		held []Held
		line string
		want string
	}{
		{nil, "/withdraw", "! no message of yours waits for a moderator here"},
		{[]Held{{"a", "one"}}, "/withdraw", "withdraw a"},
		{[]Held{{"a", "one"}}, "/withdraw one", "! invalid one (want all, or nothing: then you choose one)"},
		{[]Held{{"a", "one"}, {"b", "two"}}, "/withdraw ALL", "withdraw a\nwithdraw b"},
		{[]Held{{"a", "one"}, {"b", "two"}}, "/withdraw", "? which one?\n   one\n   two"},
	} {
		h.held = step.held
		if got := h.run(t, step.line); got != step.want {
			t.Errorf("%s with %v: %s, want %s", step.line, step.held, got, step.want)
		}
	}
	h.said = nil
	if h.choice.Do(h, 1); strings.Join(h.said, "\n") != "withdraw b" {
		t.Errorf("chosen: %s", h.said)
	}
}

// TestReport: anybody reports a message, and moderators list what was reported.
func TestReport(t *testing.T) {
	h := newHost()
	for line, want := range map[string]string{
		"/report 12 it is spam": "report 12 \"it is spam\"\nmessage 12 is reported",
		"/report #12":           "report 12 \"\"\nmessage 12 is reported",
		"/report":               "! /report N TEXT reports message N to the moderators; TEXT says why, and may be left out",
		"/report spam":          "! /report N TEXT reports message N to the moderators; TEXT says why, and may be left out",
	} {
		if got := h.run(t, line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	if got := h.run(t, "/report 1 "+strings.Repeat("a", wire.MaxReport+1)); !strings.HasPrefix(got, "! ") || strings.Contains(got, "report 1") {
		t.Errorf("a long report: %s", got)
	}
	h.role = wire.RoleModerator
	if got := h.run(t, "/report"); got != "history of ~lobby\nno reports in lobby" {
		t.Error(got)
	}
	h.logged = []wire.Message{{N: 3, As: wire.ReportMessage, Of: 12, Text: "spam", SenderID: "idOfAnna00000000", DisplayName: "anna", At: wire.TimeOf(start)}}
	const list = "What was reported in lobby; /settle N when nothing more is to be done about message N\n  anna 14:02  reports message 12: spam"
	if got := h.run(t, "/report"); got != "history of ~lobby\n"+list {
		t.Error(got)
	}
	h.said = nil
	h.answer.Pick(h, 0)
	h.choice.Do(h, 0)
	if got := strings.Join(h.said, "\n"); got != "? reports message 12: spam\n   settle it\nsettle ~lobby 3\nthe report about message 12 is settled" {
		t.Errorf("chosen from the list: %s", got)
	}
	h.role = wire.RoleOwner // who also reads the reports about moderators
	if got := h.run(t, "/report"); got != "history of ~lobby\nhistory of ~~lobby\n"+list+"\n  anna 14:02  reports message 12: spam" {
		t.Error(got)
	}
	for line, want := range map[string]string{
		"/settle #12": "history of ~lobby\nhistory of ~~lobby\nsettle ~lobby 3\nsettle ~~lobby 3\n2 reports are settled",
		"/settle 3":   "history of ~lobby\nhistory of ~~lobby\nno report about message 3 is open; /report lists the reports",
		"/settle ALL": "history of ~lobby\nhistory of ~~lobby\nsettle ~lobby 3\nsettle ~~lobby 3\n2 reports are settled",
		"/settle x":   "! invalid message x (want the number of the reported message, or all; /report lists the reports)",
	} {
		if got := h.run(t, line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
	for why, want := range map[error]string{
		&wire.CodedError{Code: wire.NotAllowed, Reason: "it is yours"}: "settle ~lobby 3\nsettle ~~lobby 3\n1 report is settled\n   the report about message 12 is not settled: not_allowed: it is yours",
		errors.New("offline"): "settle ~lobby 3\n! offline",
	} {
		h.unsettled = map[string]error{"~lobby": why}
		if got := strings.TrimPrefix(h.run(t, "/settle all"), "history of ~lobby\nhistory of ~~lobby\n"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	h.unsettled = map[string]error{"~~lobby": errors.New("offline")}
	if got := h.run(t, "/settle all"); !strings.HasSuffix(got, "\n1 report is settled\n   the report about message 12 is not settled: offline") {
		t.Errorf("the second one fails: %s", got)
	}
	h.fail = errors.New("no")
	if got := h.run(t, "/report 12"); got != "report 12 \"\"\n! no" {
		t.Error(got)
	}
}
