package wire

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// fields are the known fields of one JSON object. They refer to its bytes.
type fields []member

// A member is one field of a JSON object.
type member struct {
	name  string // one of fieldNames
	value jsontext.Value
	text  string // the value as a string, once it was read as one
}

// fieldNames are the fields of all requests.
var fieldNames = [...]string{"type", "ref", "room", "id", "text", "session", "after", "before", "last", "limit", "name", "at", "prefix", "re", "of", "as", "options", "key",
	"on", "value", "until", "erase", "to", "held_to", "dry", "undo", "undo_by", "address_of",
	"role", "uses", "invite", "password",
	"token", "held", "code", "confirm", "all",
	"approve", "reject"}

// knownFields has the names by themselves.
var knownFields = make(map[string]string, len(fieldNames))

func init() {
	for _, name := range fieldNames {
		knownFields[name] = name
	}
}

// knownField returns the name that is quoted in JSON, or "" if no request has such a field.
func knownField(quoted jsontext.Value) string {
	inside := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inside, '\\') < 0 {
		return knownFields[string(inside)]
	}
	var short [64]byte // holds all known names, with each character escaped
	if len(quoted) > len(short) {
		return ""
	}
	plain, err := jsontext.AppendUnquote(short[:0], quoted)
	if err != nil {
		return ""
	}
	return knownFields[string(plain)]
}

// A splitter splits a JSON object. Strings that are not UTF-8 are left to the code that reads the field; in unused
// fields they do no harm.
type splitter struct {
	input  bytes.Buffer
	json   jsontext.Decoder
	fields fields
}

var splitters = sync.Pool{New: func() any { return new(splitter) }}

// release returns s to the pool. Its fields are not valid any more.
func (s *splitter) release() {
	s.input = bytes.Buffer{} // the caller of split owns the bytes
	s.json.Reset(&s.input)
	clear(s.fields)
	s.fields = s.fields[:0]
	splitters.Put(s)
}

// split splits one JSON object in a single pass, into s.fields. If a field is there twice, the last one counts.
func (s *splitter) split(b []byte) *CodedError {
	s.input = *bytes.NewBuffer(b)
	s.json.Reset(&s.input, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	broken := func(err error) *CodedError {
		return &CodedError{Code: BadFrame, Reason: "a frame is one JSON object: " + describeJSONError(err)}
	}
	start, err := s.json.ReadToken()
	if err != nil {
		return broken(err)
	}
	if start.Kind() != '{' {
		return &CodedError{Code: BadFrame, Reason: fmt.Sprintf(`a frame is one JSON object with a "type", not %s`, kindName(start.Kind()))}
	}
	for s.json.PeekKind() != '}' {
		quoted, err := s.json.ReadValue()
		if err != nil {
			return broken(err)
		}
		name := knownField(quoted)
		value, err := s.json.ReadValue()
		if err != nil {
			return broken(err)
		}
		if name == "" {
			continue
		}
		end := s.json.InputOffset()
		value = b[end-int64(len(value)) : end]
		if m := s.fields.member(name); m != nil {
			m.value = value
		} else {
			s.fields = append(s.fields, member{name: name, value: value})
		}
	}
	if _, err := s.json.ReadToken(); err != nil {
		return broken(err)
	}
	if _, err := s.json.ReadToken(); err != io.EOF {
		return &CodedError{Code: BadFrame, Reason: "a frame is one JSON object, and nothing after it"}
	}
	if s.fields.value("type") == nil {
		return &CodedError{Code: BadFrame, Reason: `a frame is one JSON object with a "type"`}
	}
	return nil
}

// kindName describes a kind of JSON value.
func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '[':
		return "an array"
	case '{':
		return "an object"
	}
	return "anything else"
}

func wrongKind(want string, v jsontext.Value) *CodedError {
	return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("it must be %s, not %s", want, kindName(v.Kind()))}
}

// member returns a field, or nil if it is missing.
func (f fields) member(name string) *member {
	for i := range f {
		if f[i].name == name {
			return &f[i]
		}
	}
	return nil
}

// raw returns the value of a field, also if it is null, or nil if it is missing.
func (f fields) raw(name string) jsontext.Value {
	if m := f.member(name); m != nil {
		return m.value
	}
	return nil
}

// value returns the value of a field, or nil if it is missing or null.
func (f fields) value(name string) jsontext.Value {
	if v := f.raw(name); len(v) > 0 && v.Kind() != 'n' {
		return v
	}
	return nil
}

// isNull reports whether a field is null.
func (f fields) isNull(name string) bool { return f.raw(name) != nil && f.value(name) == nil }

// string returns a string field, or "" if it is missing. Strings that would have to be changed are errors.
func (f fields) string(name string) (string, *CodedError) {
	m := f.member(name)
	switch {
	case m == nil || len(m.value) == 0 || m.value.Kind() == 'n':
		return "", nil
	case m.text != "":
		return m.text, nil
	case m.value.Kind() != '"':
		return "", wrongKind("a string", m.value)
	}
	if inside := m.value[1 : len(m.value)-1]; bytes.IndexByte(inside, '\\') < 0 && utf8.Valid(inside) {
		m.text = string(inside)
		return m.text, nil
	}
	b, err := jsontext.AppendUnquote(nil, m.value)
	if err != nil {
		return "", &CodedError{Code: BadRequest, Reason: `it is not valid Unicode: it has bytes that are not UTF-8, or an escape from \ud800 to \udfff without its other half`}
	}
	m.text = string(b)
	return m.text, nil
}

// number returns a number from 0 to limit, or nil if it is missing.
func (f fields) number(name string, limit uint64) (*uint64, *CodedError) {
	v := f.value(name)
	if v == nil {
		return nil, nil
	}
	if v.Kind() != '0' {
		return nil, wrongKind("a number", v)
	}
	n, err := strconv.ParseUint(string(v), 10, 64)
	if err != nil || n > limit {
		return nil, &CodedError{Code: BadRequest, Reason: fmt.Sprintf("it must be a whole number from 0 to %d, not %.40s", limit, v)}
	}
	return &n, nil
}

// maxPosition is the maximum size of a position, in bytes of JSON.
const maxPosition = 1024

// bool returns true or false. It must not be missing.
func (f fields) bool(name string) (bool, *CodedError) {
	switch v := f.value(name); {
	case v == nil:
		return false, &CodedError{Code: BadRequest, Reason: "it is missing; it is true or false"}
	case v.Kind() != 't' && v.Kind() != 'f':
		return false, wrongKind("true or false", v)
	default:
		return v.Kind() == 't', nil
	}
}

// flag returns true or false; false if it is missing.
func (f fields) flag(name string) (bool, *CodedError) {
	if f.value(name) == nil {
		return false, nil
	}
	return f.bool(name)
}

// strings returns an array of strings, or nil if it is missing. Strings that would have to be changed are errors.
func (f fields) strings(name string) ([]string, *CodedError) {
	v := f.value(name)
	if v == nil {
		return nil, nil
	}
	if v.Kind() != '[' {
		return nil, wrongKind("an array of strings", v)
	}
	list := []string{}
	if ParseJSON(v, &list) != nil {
		return nil, &CodedError{Code: BadRequest, Reason: "it must be an array of strings in valid Unicode"}
	}
	return list, nil
}

// position returns a position, or nil if it is missing.
func (f fields) position(name string) (*Position, *CodedError) {
	v := f.value(name)
	if v == nil {
		return nil, nil
	}
	var p Position
	if v.Kind() != '{' {
		return nil, wrongKind(`a position, {"log": …, "n": …}`, v)
	}
	if len(v) > maxPosition || ParseJSON(v, &p) != nil {
		return nil, &CodedError{Code: BadRequest, Reason: `it must be a position as in "joined": {"log": …, "n": …}, with a string and a whole number`}
	}
	return &p, nil
}

// positionOrNumber returns a position, also if it is a bare number, or nil if it is missing.
func (f fields) positionOrNumber(name string) (*Position, *CodedError) {
	switch v := f.value(name); {
	case v == nil:
		return nil, nil
	case v.Kind() == '{':
		return f.position(name)
	case v.Kind() != '0':
		return nil, wrongKind("a number, or a position as join has it", v)
	}
	n, bad := f.number(name, math.MaxUint64)
	if bad != nil {
		return nil, bad
	}
	return &Position{N: *n}, nil
}

// time returns a time, or nil if it is missing.
func (f fields) time(name string) (*Time, *CodedError) {
	if f.value(name) == nil {
		return nil, nil
	}
	s, bad := f.string(name)
	if bad != nil {
		return nil, bad
	}
	t, bad := ParseTime(s)
	return &t, bad
}

// room returns the room of a request.
func (f fields) room() (string, *CodedError) {
	room, bad := f.string("room")
	if bad == nil {
		bad = CheckRoom(room)
	}
	return room, bad
}

// posted returns the room and the id of a request that is answered by Saved or Refused. With an error it also returns the
// field that the error is about. The id is empty if it is the id that is wrong.
func (f fields) posted() (room, id, where string, bad *CodedError) {
	if id, bad = f.string("id"); bad == nil {
		bad = CheckID(id)
	}
	if bad != nil {
		return "", "", "id", bad
	}
	if room, bad = f.string("room"); bad == nil {
		bad = CheckRoom(room)
	}
	return room, id, "room", bad
}

// target returns the number of a message.
func (f fields) target(name string) (uint64, *CodedError) {
	n, bad := f.number(name, math.MaxUint64)
	if bad == nil && (n == nil || *n == 0) {
		bad = &CodedError{Code: BadRequest, Reason: "it must be the number of a message, from 1"}
	}
	if bad != nil {
		return 0, bad
	}
	return *n, nil
}

// key returns the key of a setting or the beginning of one, or "" if it is missing.
func (f fields) key(name string) (string, *CodedError) {
	s, bad := f.string(name)
	if bad == nil && len(s) > MaxSettingKey {
		bad = &CodedError{Code: BadRequest, Reason: fmt.Sprintf("it has %d bytes; a key has at most %d", len(s), MaxSettingKey)}
	}
	return s, bad
}
