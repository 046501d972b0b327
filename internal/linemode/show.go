package linemode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// Each message is one call of Write, made at once, so that the reader of a pipe gets whole lines without delay. Text of
// others reaches the output only through client.Printable or JSON.

// prefix precedes each message. The further lines of a message are indented by as much.
const prefix = "From server: "

// PlainText is a message as the plain protocol shows it, with the options of a poll. It says what was edited or deleted.
func PlainText(m wire.Message) string {
	text := client.Printable(commands.Logged(&m, when))
	for i, option := range m.Options {
		text += fmt.Sprintf(" (%d) %s", i+1, client.OneLine(option))
	}
	switch {
	case m.Gone:
		text = "(deleted)"
	case m.Edited > 0:
		text += " (edited)"
	}
	if m.DisplayName == "" {
		return text
	}
	return client.OneLine(m.DisplayName) + ": " + text
}

// when is a time as a line shows it: with the day unless it is today.
func when(t time.Time) string {
	t, now := t.Local(), time.Now()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// edit returns an edit as the plain protocol shows it: like the resulting message. It is empty for other changes.
func edit(f wire.Changed) string {
	if f.Text == nil || len(f.Of) == 0 {
		return ""
	}
	return Indent(prefix, PlainText(wire.Message{DisplayName: f.DisplayName, Text: *f.Text, Edited: f.N}))
}

// Indent returns prefix and text. The further lines of text are aligned with its first.
func Indent(prefix, text string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", utf8.RuneCountInString(prefix))) + "\n"
}

// show writes an event: a message, or with asJSON every frame. A greeting that was not written yet is written once the
// client is in the room, so that who has read it hears whatever is said from then on.
func show(w io.Writer, e client.Event, asJSON, plain bool, greeting string) error {
	var out string
	switch f := e.Frame.(type) {
	case wire.Welcome, wire.Joined: // the plain protocol has no joined
		if _, welcome := f.(wire.Welcome); welcome == plain && greeting != "" {
			out = Indent(prefix, client.Printable(greeting))
		}
	case wire.Message:
		if !f.Gone {
			out = Indent(prefix, PlainText(f))
		}
	case wire.Changed:
		out = edit(f)
	case client.Line:
		out = Indent(prefix, client.Printable(f.Text))
	}
	if asJSON {
		out = jsonLine(e, plain)
	}
	if out == "" {
		return nil
	}
	_, err := io.WriteString(w, out)
	return err
}

// jsonLine returns the server's frame as one line of JSON, or "" if the event is the client's own.
func jsonLine(e client.Event, plain bool) string {
	raw := e.Raw
	switch f := e.Frame.(type) {
	case wire.Welcome:
		if !plain {
			f.Session = "" // a secret, and output may end up in a log
			raw = wire.Append(nil, f)
		}
	}
	if raw == nil {
		return ""
	}
	if plain {
		text, err := json.Marshal(string(raw))
		if err != nil {
			return ""
		}
		raw = fmt.Appendf(nil, `{"type":"line","text":%s}`, text)
	}
	return string(JSON(raw))
}

// JSON puts a JSON value on one line and escapes the characters that a terminal would act on. They can only be within
// strings.
func JSON(raw []byte) []byte {
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil
	}
	s := compact.String()
	if client.Printable(s) == s {
		return append(compact.Bytes(), '\n')
	}
	var out []byte
	for _, r := range s {
		switch {
		case r != utf8.RuneError && client.Printable(string(r)) != "":
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return append(out, '\n')
}
