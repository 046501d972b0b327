package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ParseFrame decodes a frame from a server. Frames of unknown types are returned as Unknown.
func ParseFrame(b []byte) (Frame, error) {
	kind, err := kindOf(b)
	if err != nil {
		return nil, err
	}
	if read, ok := answers[kind]; ok {
		f, err := read(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
		return f, nil
	}
	u := Unknown{}
	if err := parse(b, &u); err != nil { // room or n has the wrong type, so it moves no position
		return Unknown{Kind: kind}, nil
	}
	u.Kind = kind
	return u, nil
}

// kindOf returns the type of a frame. If the type is the first field, as this server sends it, and known, nothing behind it is
// parsed: the caller parses the whole frame.
func kindOf(b []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(b, []byte(`{"type":"`)); ok {
		if kind, _, ok := bytes.Cut(rest, []byte(`"`)); ok && answers[string(kind)] != nil {
			return string(kind), nil
		}
	}
	var head struct {
		Type *string `json:"type"`
	}
	if err := parse(b, &head); err != nil {
		return "", fmt.Errorf("a frame is one JSON object: %w", err)
	}
	if head.Type == nil {
		return "", errors.New(`a frame is one JSON object with a "type"`)
	}
	return *head.Type, nil
}

// Append appends f as it is sent, without a WebSocket header.
func Append(dst []byte, f Frame) []byte {
	switch f := f.(type) {
	case Message:
		return AppendMessage(dst, &f)
	case Page:
		return appendPage(dst, &f)
	case Saved:
		return appendSaved(dst, f)
	case Tally:
		return appendTally(dst, &f)
	case State:
		if _, hidden := HiddenKey(f.Key); hidden {
			return appendHidden(dst, &f)
		}
	case Settings:
		if f.Settings == nil {
			f.Settings = []Setting{}
		}
		return appendJSON(dst, f)
	case Preview:
		if f.Sample == nil {
			f.Sample = []Message{}
		}
		return appendJSON(dst, f)
	case Undone:
		return appendJSON(dst, f.Listed())
	case Presence:
		if f.Names == nil {
			f.Names = []string{}
		}
		return appendJSON(dst, f)
	}
	return appendJSON(dst, f)
}

func appendJSON(dst []byte, f Frame) []byte {
	body, err := json.Marshal(f)
	if err != nil { // cannot happen: frames are plain data
		panic("wire: " + err.Error())
	}
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, f.Type())
	if len(body) > 2 {
		dst = append(dst, ',')
	}
	return append(dst, body[1:]...)
}

// AppendMessage appends m as a message frame. The result depends only on m.
func AppendMessage(dst []byte, m *Message) []byte {
	dst = append(dst, `{"type":"message","room":`...)
	return appendFields(dst, m)
}

func appendFields(dst []byte, m *Message) []byte {
	dst = appendString(dst, m.Room)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendUint(dst, m.N, 10)
	dst = append(dst, `,"at":`...)
	dst = m.At.appendJSON(dst)
	dst = append(dst, `,"by":`...)
	dst = appendString(dst, m.SenderID)
	dst = append(dst, `,"from":`...)
	dst = appendString(dst, m.DisplayName)
	dst = append(dst, `,"id":`...)
	dst = appendString(dst, m.ID)
	dst = append(dst, `,"text":`...)
	dst = appendString(dst, m.Text)
	if m.Re > 0 {
		dst = append(dst, `,"re":`...)
		dst = strconv.AppendUint(dst, m.Re, 10)
	}
	if m.As != "" {
		dst = append(dst, `,"as":`...)
		dst = appendString(dst, m.As)
	}
	for i, o := range m.Options {
		if i == 0 {
			dst = append(dst, `,"options":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, o)
		if i == len(m.Options)-1 {
			dst = append(dst, ']')
		}
	}
	if m.Edited > 0 {
		dst = append(dst, `,"edited":`...)
		dst = strconv.AppendUint(dst, m.Edited, 10)
	}
	if m.EditedAt != 0 {
		dst = append(dst, `,"edited_at":`...)
		dst = m.EditedAt.appendJSON(dst)
	}
	if m.Gone {
		dst = append(dst, `,"gone":true`...)
	}
	if len(m.Tally) > 0 {
		dst = append(dst, `,"tally":`...)
		dst = appendCounts(dst, m.Tally)
	}
	if m.Tallied > 0 {
		dst = append(dst, `,"tallied":`...)
		dst = strconv.AppendUint(dst, m.Tallied, 10)
	}
	if m.Of > 0 {
		dst = append(dst, `,"of":`...)
		dst = strconv.AppendUint(dst, m.Of, 10)
	}
	if m.Action != nil {
		dst = append(dst, `,"action":`...)
		action, err := json.Marshal(m.Action)
		if err != nil { // cannot happen: it is plain data
			panic("wire: " + err.Error())
		}
		dst = append(dst, action...)
	}
	return append(dst, '}')
}

// appendCounts appends counts in the order of their keys.
func appendCounts(dst []byte, c Counts) []byte {
	dst = append(dst, '{')
	for i, key := range slices.Sorted(maps.Keys(c)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, key)
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, c[key], 10)
	}
	return append(dst, '}')
}

// appendTally appends a tally with its messages in ascending order.
func appendTally(dst []byte, t *Tally) []byte {
	dst = append(dst, `{"type":"tally","room":`...)
	dst = appendString(dst, t.Room)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendUint(dst, t.N, 10)
	dst = append(dst, `,"at":`...)
	dst = t.At.appendJSON(dst)
	dst = append(dst, `,"of":{`...)
	for i, n := range slices.Sorted(maps.Keys(t.Of)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = strconv.AppendUint(dst, n, 10)
		dst = append(dst, '"', ':')
		dst = appendCounts(dst, t.Of[n])
	}
	return append(dst, '}', '}')
}

func appendPage(dst []byte, p *Page) []byte {
	dst = append(dst, `{"type":"page","room":`...)
	dst = appendString(dst, p.Room)
	dst = append(dst, `,"log":`...)
	dst = appendString(dst, p.HistoryID)
	dst = append(dst, `,"epoch":`...)
	dst = appendString(dst, p.Epoch)
	dst = append(dst, `,"first":`...)
	dst = strconv.AppendUint(dst, p.First, 10)
	if p.Reset {
		dst = append(dst, `,"reset":true`...)
	}
	if p.Target > 0 {
		dst = append(dst, `,"target":`...)
		dst = strconv.AppendUint(dst, p.Target, 10)
	}
	dst = append(dst, `,"head":`...)
	dst = strconv.AppendUint(dst, p.Head, 10)
	dst = append(dst, `,"messages":[`...)
	for i := range p.Messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"room":`...)
		dst = appendFields(dst, &p.Messages[i])
	}
	dst = append(dst, ']')
	for i, r := range p.Skipped {
		if i == 0 {
			dst = append(dst, `,"skipped":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		dst = strconv.AppendUint(dst, r.From, 10)
		dst = append(dst, ',')
		dst = strconv.AppendUint(dst, r.To, 10)
		dst = append(dst, ']')
		if i == len(p.Skipped)-1 {
			dst = append(dst, ']')
		}
	}
	dst = append(dst, `,"more":`...)
	dst = strconv.AppendBool(dst, p.More)
	if p.As != "" {
		dst = append(dst, `,"as":`...)
		dst = appendString(dst, p.As)
	}
	if len(p.Mine) > 0 {
		dst = append(dst, `,"mine":`...)
		dst = appendMine(dst, p.Mine)
	}
	return appendRef(dst, p.Ref)
}

// appendMine appends marks with their messages in ascending order.
func appendMine(dst []byte, m Mine) []byte {
	dst = append(dst, '{')
	for i, n := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = strconv.AppendUint(dst, n, 10)
		dst = append(dst, `":[`...)
		for j, key := range m[n] {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, key)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// appendRef ends a frame with the ref of its request.
func appendRef(dst []byte, ref string) []byte {
	if ref != "" {
		dst = append(dst, `,"ref":`...)
		dst = appendString(dst, ref)
	}
	return append(dst, '}')
}

func appendSaved(dst []byte, s Saved) []byte {
	dst = slices.Grow(dst, len(`{"type":"saved","room":"","id":"","n":,"at":"","ref":""}`)+len(s.Room)+len(s.ID)+20+len(timeLayout)+len(s.Ref))
	dst = append(dst, `{"type":"saved","room":`...)
	dst = appendString(dst, s.Room)
	dst = append(dst, `,"id":`...)
	dst = appendString(dst, s.ID)
	if s.N > 0 {
		dst = append(dst, `,"n":`...)
		dst = strconv.AppendUint(dst, s.N, 10)
	}
	dst = append(dst, `,"at":`...)
	dst = s.At.appendJSON(dst)
	return appendRef(dst, s.Ref)
}

// appendHidden appends a change of a setting whose value and subject are hidden.
func appendHidden(dst []byte, s *State) []byte {
	dst = append(dst, `{"type":"state","room":`...)
	dst = appendString(dst, s.Room)
	dst = append(dst, `,"n":`...)
	dst = strconv.AppendUint(dst, s.N, 10)
	dst = append(dst, `,"at":`...)
	dst = s.At.appendJSON(dst)
	dst = append(dst, `,"key":`...)
	key, _ := HiddenKey(s.Key)
	return append(appendString(dst, key), '}')
}

const hex = "0123456789abcdef"

// appendString appends s as a JSON string (RFC 8259 section 7). Bytes that are not UTF-8 become U+FFFD. U+2028 and
// U+2029 are escaped, so that a frame can be part of a script.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if c >= utf8.RuneSelf && r != utf8.RuneError && r != '\u2028' && r != '\u2029' {
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case r == utf8.RuneError:
			dst = append(dst, `\ufffd`...)
		default:
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[r&15])
		}
		i += size
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
