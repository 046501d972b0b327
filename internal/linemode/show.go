package linemode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"ramai/client"
	"ramai/wire"
)

// Rules of what is written to stdout: each line of output is one call of Write, at once, so that a reader of a pipe
// has whole lines and no late ones. Nothing that others wrote reaches a terminal but through client.Printable or
// JSON.

// heard is what stands before a message; its further lines are indented by as much.
const heard = "From server: "

// Spoken is a message as the plain door has it.
func Spoken(m wire.Message) string {
	text := client.Printable(m.Text)
	if m.DisplayName == "" {
		return text
	}
	return client.OneLine(m.DisplayName) + ": " + text
}

// Hang returns prefix and text, the further lines of text below its first.
func Hang(prefix, text string) string {
	return prefix + strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", utf8.RuneCountInString(prefix))) + "\n"
}

// show writes an event to stdout: what was said, or with asJSON every frame that came.
func show(w io.Writer, e client.Event, asJSON, plain, first bool) error {
	var out string
	switch f := e.Frame.(type) {
	case wire.Welcome:
		if first {
			out = Hang(heard, client.Printable(f.Text))
		}
	case wire.Message:
		out = Hang(heard, Spoken(f))
	case client.Line:
		out = Hang(heard, client.Printable(f.Text))
	}
	if asJSON {
		out = asLine(e, plain)
	}
	if out == "" {
		return nil
	}
	_, err := io.WriteString(w, out)
	return err
}

// asLine is what came, as one line of JSON; nothing for an event that did not come from the server.
func asLine(e client.Event, plain bool) string {
	raw := e.Raw
	switch f := e.Frame.(type) {
	case wire.Welcome:
		if !plain {
			f.Session = "" // a secret, and output ends in logs
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

// JSON puts one JSON value on one line, and escapes what would act on a terminal. Outside of strings there is
// nothing to escape.
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
