package tui

import (
	"errors"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/wire"
)

// newPoll is a lobby with a question, a poll of this user, a notice, and settings.
func newPoll(t *testing.T, width, height int) *harness {
	t.Helper()
	st := newHarness(t, width, height, nil)
	st.welcome("anna", 20)
	at := wire.TimeOf(st.now)
	st.receive(
		wire.Message{Room: wire.Lobby, N: 21, At: at, SenderID: "by-budi", DisplayName: "budi", ID: "a", Text: "Will this be in the exam?", As: wire.Question},
		wire.Message{Room: wire.Lobby, N: 22, At: at, SenderID: "me", DisplayName: "anna", ID: "b", Text: "Which day is best?", As: wire.Poll, Options: []string{"Monday", "Tuesday, if the room is free until the evening", "never"}},
		wire.Message{Room: wire.Lobby, N: 23, At: at, SenderID: "by-ops", DisplayName: "ops", ID: "c", Text: "The server restarts at 15:00", As: wire.Notice},
		wire.Tally{Room: wire.Lobby, N: 24, At: at, Of: map[uint64]wire.Counts{20: {"👍": 3, "❤️": 1, "🦄": 1}, 21: {"up": 2}, 22: {"0": 3, "1": 1}}},
		wire.State{Room: wire.Lobby, N: 25, At: at, Key: wire.TopicKey, Value: wire.TextValue("Homework for Friday"), SenderID: "by-budi", DisplayName: "budi"},
		wire.State{Room: wire.Lobby, N: 26, At: at, Key: wire.PinKey, Value: wire.Value{Numbers: []uint64{3, 20}}, SenderID: "by-budi", DisplayName: "budi"},
	)
	return st
}

// markedAs answers the last mark.
func (st *harness) markedAs(key string, of uint64, on bool) {
	st.receive(wire.Marked{Room: wire.Lobby, Of: of, Key: key, On: on})
}

// TestMarksAreDrawn: reactions, polls, questions, notices and the topic fit every size.
func TestMarksAreDrawn(t *testing.T) {
	for name, size := range map[string][2]int{"marks-80x24": {80, 24}, "marks-140x40": {140, 40}, "marks-40x15": {40, 15}} {
		st := newPoll(t, size[0], size[1])
		st.has("budi changed the pinned messages")
		st.send(clearNotice{})
		st.golden(name)
		if r := st.room(); r.unread() != 0 || r.timeline.behind() != 0 {
			t.Errorf("%s: %d unread, %d behind", name, r.unread(), r.timeline.behind())
		}
	}
}

// TestReact: + and a number react, once more takes it back, and a refusal takes it off again.
func TestReact(t *testing.T) {
	st := newPoll(t, 80, 24)
	st.press("alt+v", "up", "up", "up", "+")
	st.selects("message 20")
	st.has("react: 1 👍", "1 … 6 react", ": by name")
	st.press("2")
	st.asked("mark lobby 20 ❤️ true")
	st.has("[❤ 1]", " 👍 3 ")
	st.markedAs("❤️", 20, true)
	st.receive(wire.Tally{Room: wire.Lobby, N: st.next(), Of: map[uint64]wire.Counts{20: {"❤️": 2}}})
	st.has("[❤ 2]")
	st.hasNot("👍 3", "🦄")
	st.types("/react 20 :heart:")
	st.press("enter")
	st.asked("mark lobby 20 ❤️ false")
	st.hasNot("[❤")
	st.receive(client.RequestFailed{Request: wire.Mark{Room: wire.Lobby, Of: 20, Key: "❤️"}, Error: wire.Error{Code: wire.NotAllowed, Reason: "not here"}})
	st.has("message 20: not here", "[❤ 2]")

	st.press("alt+v", "+", ":")
	st.has("› /react 23 :")
	st.types("unicorn")
	st.press("tab", "enter")
	st.asked("mark lobby 23 🦄 true")
	st.has("[🦄 1]")
	asked := len(st.chat.asked)
	for _, wrong := range []string{"/react nonsense", "/react 3", "/react 99 👍", "/vote 20 1", "/vote 22 4", "/vote 22 x", "/poll one", "/poll a | b | b", "/close 20", "/answered 22", "/unpin 5", "/pin x", "/stage 99"} {
		st.types(wrong)
		st.press("enter")
		if !st.status.isError || st.status.notice == "" || len(st.chat.asked) != asked {
			t.Errorf("%s: %q is said, and %q asked", wrong, st.status.notice, st.chat.asked[asked:])
		}
		if !st.room().editor.empty() {
			st.press("ctrl+c")
		}
		st.send(clearNotice{})
	}
}

// TestVote: number keys vote in a selected poll. Hidden votes are not shown, and a closed poll takes none.
func TestVote(t *testing.T) {
	st := newPoll(t, 80, 24)
	st.press("alt+v", "up")
	st.selects("Which day is best?")
	st.has("1 … 9 vote", "x close", "75% 3", "4 votes")
	st.press("3")
	st.asked("mark lobby 22 2 true")
	st.selects("Which day is best?")
	st.has("● 3", "5 votes")
	st.markedAs("2", 22, true)
	st.types("1")
	st.asked("mark lobby 22 0 true")
	st.has("● 1", "○ 3")
	st.press("x")
	st.asked(`set lobby poll/22 "closed"`)
	st.has("votes · closed")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Key: "poll/22", Value: wire.TextValue(wire.PollOver), State: client.Failed, Reason: "no"})
	st.has("poll/22 was not changed: no")
	st.hasNot("votes · closed")
	st.receive(wire.State{Room: wire.Lobby, N: st.next(), Key: "poll/22", Value: wire.TextValue(wire.Hidden)})
	st.has("the votes are shown when the poll is closed")
	st.hasNot("75%")
	st.receive(wire.State{Room: wire.Lobby, N: st.next(), Key: "poll/22", Value: wire.TextValue(wire.PollOver)})
	asked := len(st.chat.asked)
	st.types("/vote 2")
	st.press("enter")
	st.has("this poll is closed")
	if len(st.chat.asked) != asked {
		t.Error("a vote in a closed poll was sent")
	}
	st.types("/open 22")
	st.press("enter")
	st.asked(`set lobby poll/22 "open"`)
}

// TestAskAndPoll: questions and polls are posted, and what was wrong stays in the composer.
func TestAskAndPoll(t *testing.T) {
	st := newPoll(t, 80, 24)
	st.types("/ask Why?")
	st.press("enter")
	st.asked(`say lobby "Why?" as question []`)
	st.has("Question: Why?")
	st.types("/poll Which? | A | B")
	st.press("enter")
	st.asked(`say lobby "Which?" as poll ["A" "B"]`)
	st.has("Poll: Which?", "○ 1", "0 votes")
	st.types("/poll Which? | A")
	st.press("enter")
	st.has("a poll has 2 to 12 options, not 1", "› /poll Which? | A")
	st.press("ctrl+c", "alt+v", "up", "up")
	st.selects("Will this be in the exam?")
	st.press("u")
	st.asked("mark lobby 21 up true")
	st.has("[▲ 2 upvotes]") // the count is the server's
}

// TestQuestions: the list is sorted by upvotes with answered questions last, and Enter goes to one.
func TestQuestions(t *testing.T) {
	st := newLobby(t, 80, nil)
	st.receive(wire.Message{Room: wire.Lobby, N: 81, At: wire.TimeOf(st.now), SenderID: "by-dewi", DisplayName: "dewi", Text: "Will this be in the exam?", As: wire.Question, Tally: wire.Counts{"up": 2}})
	q := func(n, up uint64) wire.Message {
		return wire.Message{Room: wire.Lobby, N: n, At: wire.TimeOf(start), SenderID: "by-budi", DisplayName: "budi", Text: "question " + strings.Repeat("x", int(n)), As: wire.Question, Tally: wire.Counts{"up": up}}
	}
	st.chat.questions = []wire.Message{q(2, 1), q(4, 9), q(5, 5)}
	st.receive(wire.State{Room: wire.Lobby, N: st.next(), Key: "question/4", Value: wire.TextValue(wire.Answered)})
	st.types("/questions")
	st.press("enter")
	st.has("4 questions in lobby")
	last := -1
	for _, words := range []string{"question xxxxx", "Will this be", "question xx", "question xxxx  answered"} {
		at := strings.LastIndex(st.shown(), words)
		if words == "question xx" {
			at = strings.Index(st.shown(), "question xx\n")
		}
		if at <= last {
			t.Fatalf("%q is not in order:\n%s", words, st.shown())
		}
		last = at
	}
	st.now = st.now.Add(panelGrace)
	st.press("enter")
	if got := st.room().timeline.jumpTarget; got != 5 {
		t.Errorf("Enter went to %d", got)
	}
}

// TestSettings: the topic and the pinned messages are shown above the messages, and can be changed.
func TestSettings(t *testing.T) {
	st := newPoll(t, 80, 24)
	st.has("Homework for Friday · 2 pinned: message 20")
	st.types("/topic Something else")
	st.press("enter")
	st.asked(`set lobby topic "Something else"`)
	st.has(" Something else · 2 pinned")
	st.receive(client.Sent{Room: wire.Lobby, ID: "id-1", Key: wire.TopicKey, Value: wire.TextValue("Something else"), State: client.Failed, Reason: "no"})
	st.has("Homework for Friday", "topic was not changed: no")
	st.press("alt+v", "p")
	st.asked("set lobby pin [3,20,23]")
	st.types("/unpin 3")
	st.press("enter")
	st.asked("set lobby pin [20,23]")
	st.types("/pins")
	st.press("enter")
	st.has("Pinned in lobby", "The server restarts", "message 20")
	st.press("down", "enter")
	if got := st.room().timeline.jumpTarget; got != 20 {
		t.Errorf("Enter went to %d", got)
	}
	st.types("/stage 22")
	st.press("enter")
	st.asked("set lobby stage 22")
	st.types("/stage")
	st.press("enter")
	st.has("On stage in lobby", "Which day is best?", "75% 3")
	st.receive(wire.Tally{Room: wire.Lobby, N: st.next(), Of: map[uint64]wire.Counts{22: {"0": 1, "1": 1}}})
	st.has("50% 1")
	st.press("esc")
	st.types("/topic -")
	st.press("enter")
	st.asked("set lobby topic null")
	st.hasNot("Homework")
}

// TestSettingsAfterGap: what may have changed in a gap is loaded, in pages. An answer from before a gap or a join is dropped.
func TestSettingsAfterGap(t *testing.T) {
	st := newPoll(t, 80, 24)
	st.has("Homework for Friday · 2 pinned: message 20")
	st.hasNot("closed")
	topic := func(text string) wire.Setting { return wire.Setting{Key: wire.TopicKey, Value: wire.TextValue(text)} }
	st.chat.settings = []wire.Settings{
		{Room: wire.Lobby, N: 42, Settings: []wire.Setting{{Key: "poll/41", Value: wire.TextValue(wire.PollOver)}}, More: true},
		{Room: wire.Lobby, N: 42, Settings: []wire.Setting{topic("Exam on Monday")}},
	}
	st.receive(wire.Gap{Room: wire.Lobby, From: 27, To: 40},
		wire.Message{Room: wire.Lobby, N: 41, At: wire.TimeOf(st.now), SenderID: "by-budi", DisplayName: "budi", ID: "p", Text: "Tea?", As: wire.Poll, Options: []string{"yes", "no"}})
	if got := strings.Join(st.chat.asked, "; "); !strings.Contains(got, `settings lobby after ""; settings lobby after "poll/41"`) {
		t.Errorf("after a gap, the requests are %s", got)
	}
	st.has(" Exam on Monday", "closed")
	st.hasNot("Homework", "pinned:")
	if st.room().timeline.replica.StaleSettings() {
		t.Error("the settings are stale after they were loaded")
	}

	st.chat.fail = errors.New("disconnected") // asked again after a while
	st.chat.settings = []wire.Settings{{Room: wire.Lobby, N: 46, Settings: []wire.Setting{topic("Retried")}}}
	before := st.now
	st.receive(wire.Gap{Room: wire.Lobby, From: 43, To: 46})
	if st.has(" Retried"); st.now.Sub(before) != settingsRetryAfter {
		t.Errorf("asked again after %v", st.now.Sub(before))
	}
	st.chat.fail = &wire.CodedError{Code: wire.BadFrame} // an older server
	before = st.now
	st.receive(wire.Gap{Room: wire.Lobby, From: 47, To: 50})
	if st.has(" Retried"); st.now != before {
		t.Error("an older server is asked again")
	}
	late := settingsPage{ask: wire.StateRequest{Room: wire.Lobby}, generation: st.room().settingsGeneration, page: wire.Settings{Room: wire.Lobby, N: 50, Settings: []wire.Setting{topic("Dropped")}}}
	st.chat.settings = []wire.Settings{{Room: wire.Lobby, N: 61, Settings: []wire.Setting{topic("Newest")}}}
	st.receive(wire.Gap{Room: wire.Lobby, From: 51, To: 60})
	st.has(" Newest")
	late.page.N = 70
	st.send(late)
	st.hasNot("Dropped")
	late.generation = st.room().settingsGeneration
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 62, First: 1, State: map[string]wire.Value{wire.TopicKey: wire.TextValue("Joined")}})
	st.send(late)
	st.has(" Joined")
	asked := len(st.chat.asked)
	st.receive(wire.Gap{Room: wire.Lobby, From: 61, To: 62}) // joined has these settings
	if got := st.chat.asked[asked:]; len(got) > 0 {
		t.Errorf("a gap that joined includes asks %q", got)
	}
}

// TestStageFromHistory: the message on stage is fetched if it is not loaded.
func TestStageFromHistory(t *testing.T) {
	st := newHarness(t, 80, 24, nil)
	st.receive(wire.Welcome{SenderID: "me", Session: "s", Name: "anna"})
	st.fillHistory(wire.Lobby, 300)
	from := uint64(250)
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 300, First: 1, From: &from, State: map[string]wire.Value{wire.StageKey: wire.NumberValue(7), wire.TopicKey: wire.TextValue("\x1b[2J")}})
	st.receive(st.chat.history[wire.Lobby][250:][0])
	st.has("on stage: message 7")
	st.receive(wire.Joined{Room: wire.Lobby, HistoryID: "log", N: 300, First: 1})
	st.hasNot("on stage")
}

// TestPlainMarks: on a server like the original nothing of this exists.
func TestPlainMarks(t *testing.T) {
	st := newHarness(t, 80, 24, func(_ *Config, c *fakeChat) { c.plain = true })
	st.receive(wire.Welcome{Text: "Welcome"})
	for _, line := range []string{"/react 👍", "/upvote", "/ask x", "/poll a | b | c", "/vote 1", "/topic x", "/pin", "/unpin", "/pins", "/stage", "/questions", "/close", "/answered", "/edit x", "/delete", "/reply x"} {
		st.types(line)
		st.press("enter")
		if len(st.chat.asked) > 0 || !st.status.isError {
			t.Errorf("%s: %q asked, and %q is said", line, st.chat.asked, st.status.notice)
		}
		st.press("ctrl+c")
		st.send(clearNotice{})
	}
}

// TestClickOnHeader shows what is pinned.
func TestClickOnHeader(t *testing.T) {
	st := newPoll(t, 80, 24)
	st.send(tea.MouseClickMsg{X: 5, Y: 1, Button: tea.MouseLeft})
	st.has("Pinned in lobby")
}
