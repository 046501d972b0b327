package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// status is the state of the connection, and the current notice.
type status struct {
	*shared
	plain   bool // the server speaks the plain protocol
	greeted bool // a welcome was received
	live    bool // there is a connection
	retryAt time.Time

	sentAt    time.Time // of the oldest unanswered message; zero: there is none
	checkedAt time.Time // when the connection was last checked because of that

	identity      string    // who this user has become; shown again after the connection that this costs
	identityUntil time.Time // until when

	notice      string // clean
	isError     bool   // the notice reports an error
	noticeUntil time.Time
	leaving     bool // the next key that leaves does so, even if messages are not saved
	ticking     bool // a tick is scheduled
}

const (
	overdueAfter = 3 * time.Second  // if a message is unanswered for this long, the connection is checked
	checkEvery   = 10 * time.Second // and again
)

// awaits is called with the time at which the oldest unanswered message was sent, and reports whether the connection is to
// be checked now.
func (t *status) awaits(sentAt time.Time) (check bool) {
	t.sentAt = sentAt
	if now := t.now(); t.overdue() > 0 && now.Sub(t.checkedAt) >= checkEvery {
		t.checkedAt = now
		return true
	}
	return false
}

// overdue returns how long a message is unanswered, if that is too long; otherwise 0.
func (t *status) overdue() time.Duration {
	if since := t.now().Sub(t.sentAt); t.live && !t.sentAt.IsZero() && since >= overdueAfter {
		return since
	}
	return 0
}

// nextChange clears an expired notice, and returns how long until the status changes by itself; 0: it does not.
func (t *status) nextChange() (next time.Duration) {
	now := t.now()
	if t.notice != "" {
		if next = t.noticeUntil.Sub(now); next <= 0 {
			t.notice, t.leaving = "", false
		}
	}
	if wait := t.retryAt.Sub(now); !t.live && wait > 0 {
		second := wait%time.Second + time.Millisecond // the countdown shows whole seconds
		if next <= 0 || second < next {
			next = second
		}
	}
	if since := now.Sub(t.sentAt); t.live && !t.sentAt.IsZero() {
		second := time.Second - since%time.Second
		if since < overdueAfter {
			second = overdueAfter - since
		}
		if next <= 0 || second < next {
			next = second
		}
	}
	return max(next, 0)
}

// connection draws the state of the connection in at most width cells, and returns its width.
func (t *status) connection(r *room, ownLabel string, width int) (string, int) {
	words, style := "live", t.style.warn
	wait := t.retryAt.Sub(t.now())
	seconds := plural(int((wait+time.Second-1)/time.Second), "s", "s")
	switch behind := r.timeline.behind(); {
	case !t.greeted:
		words = "connecting"
	case !t.live && wait > 0:
		if words = "Offline · retry in " + seconds; t.method.StringWidth(words) > width {
			words = "retry in " + seconds
		}
	case !t.live:
		words = "connecting"
	case t.overdue() > 0:
		words = "no answer for " + plural(int(t.overdue()/time.Second), "s", "s")
	case behind > 0:
		words = thousands(behind) + " behind"
	case t.plain:
		words, style = "live, plain", t.style.good
	default:
		style = t.style.good
	}
	before := ""
	if t.live && r.people.present > 0 && width >= 20 {
		before = thousands(uint64(r.people.present)) + " here   "
	}
	if label := r.roleLabel(); label != "" && width >= 28 {
		before = label + "   " + before
	}
	if ownLabel != "" && t.width >= roomy {
		before = ownLabel + "   " + before
	}
	words, w := fit(words, width, t.method)
	return t.style.textStyles[dim].Styled(before) + style.Styled(words) + " ", w + t.method.StringWidth(before) + 1
}

// rule draws a horizontal rule with words in it, and right at its end. If readable, words that do not fit take more lines,
// up to a maximum.
func (t *status) rule(words string, style ansi.Style, right string, readable bool, most int) []string {
	whole := max(t.width-2, 2) // space for words
	room := whole              // in the last line
	if w := t.method.StringWidth(right); w > 0 {
		room = whole - w - 1
	}
	lines := []string{words}
	if readable && t.method.StringWidth(words) > room {
		lines = t.style.wrapped(words, whole)
		if t.method.StringWidth(lines[len(lines)-1]) > room {
			lines = append(lines, "")
		}
		if len(lines) > most {
			lines = append(lines[:most-1], strings.Join(lines[most-1:], " "))
		}
	}
	dashes := func(n int) string { return t.style.rule.Styled(strings.Repeat("─", max(n, 0))) }
	rows := make([]string, len(lines))
	for i, line := range lines {
		last := i == len(lines)-1
		if last {
			whole = room
		}
		line, w := fit(line, whole, t.method)
		if line != "" {
			line, w = style.Styled(" "+line+" "), w+2
		}
		rows[i] = dashes(1) + line
		if last && right != "" {
			rows[i] += dashes(room+1-w) + t.style.below.Styled(right) + dashes(1)
		} else {
			rows[i] += dashes(t.width - 1 - w)
		}
	}
	return rows
}

// update handles notices and changes of the connection.
func (t *status) update(msg any) {
	switch msg := msg.(type) {
	case notice:
		t.notice, t.isError = msg.text, msg.isError
		t.noticeUntil = t.now().Add(max(noticeTime, time.Duration(len(t.notice))*readingTime))
	case clearNotice:
		t.notice = ""
	case wire.Welcome:
		switch {
		case t.greeted && t.self.senderID != msg.SenderID:
			t.identity, t.identityUntil = oneLine(commands.Identity(msg), t.method), t.now().Add(noticeTime)
			t.inform("%s", t.identity)
		case t.greeted && !t.live && t.now().Before(t.identityUntil):
			t.inform("%s", t.identity)
		case t.greeted && !t.live:
			t.inform("connected again")
		}
		if !t.greeted && t.plain && t.self.asked != "" {
			t.inform("this server has no names; messages are shown without one")
		}
		t.live, t.greeted = true, true
	case wire.Restarting:
		t.inform("the server has stopped")
	case client.RequestFailed:
		t.warn("%s", t.refusal(msg))
	case client.Disconnected:
		if (t.live || t.retryAt.IsZero()) && !t.now().Before(t.identityUntil) {
			t.warn("%s", reason(msg.Err, t.method))
		}
		t.live, t.retryAt = false, t.now().Add(msg.Wait)
	case tick:
		t.ticking = false
	}
}
