package wire

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Request is a request from a client, with the parts that its answer repeats.
type Request struct {
	Frame Frame  // the request itself
	Type  string // of Frame; after an error: as sent by the client, if it is a known type
	Room  string // room of the request, or empty
	Ref   string // the client's reference, or empty
}

// ParseRequest decodes a request. The form of all values is checked (room names, ids, sessions, ranges), except for
// texts, whose limit is set by the operator. With an error it returns what the answer can repeat, and also the Frame of
// an invalid Say, Change or Set that has a valid id.
func ParseRequest(b []byte) (Request, *CodedError) {
	var r Request
	s := splitters.Get().(*splitter)
	defer s.release()
	if bad := s.split(bytes.TrimPrefix(b, []byte(BOM))); bad != nil {
		return r, bad
	}
	f := s.fields
	kind, bad := f.string("type")
	if bad != nil {
		return r, &CodedError{Code: BadFrame, Reason: `the field "type": ` + bad.Reason}
	}
	parse, known := requests[kind]
	if known {
		r.Type = kind
	}
	if room, bad := f.string("room"); bad == nil && CheckRoom(room) == nil {
		r.Room = room
	}
	var badRef *CodedError
	if f.value("ref") != nil {
		s, bad := f.string("ref")
		if bad == nil {
			bad = CheckRef(s)
		}
		if badRef = bad; bad == nil {
			r.Ref = s
		}
	}
	if !known {
		return r, &CodedError{Code: BadRequest, Reason: fmt.Sprintf("unknown type %.40q; use one of %s", kind, strings.Join(slices.Sorted(maps.Keys(requests)), ", "))}
	}
	if badRef != nil {
		return r, named(badRef, kind, "ref")
	}
	var where string
	r.Frame, where, bad = parse(f)
	if bad != nil {
		if _, id := posted(r.Frame); id == "" {
			r.Frame = nil
		}
		return r, named(bad, kind, where)
	}
	return r, nil
}

// named adds the field and the request to an error.
func named(e *CodedError, kind, field string) *CodedError {
	what := kind
	if field != "" {
		what = fmt.Sprintf("the field %q of %s", field, kind)
	}
	n := *e
	n.Reason = what + ": " + e.Reason
	return &n
}

// A parser parses the fields of a request. It also returns the field that an error is about.
type parser func(fields) (Frame, string, *CodedError)

// requests maps the types sent by clients to their parsers.
var requests = map[string]parser{}

// request registers a type that clients send. Each file of frames calls it for its own.
func request(f Frame, p parser) bool {
	requests[f.Type()] = p
	return true
}

// ofRoom returns the parser of a request that has only a room.
func ofRoom(frame func(room string) Frame) parser {
	return func(f fields) (Frame, string, *CodedError) {
		room, bad := f.room()
		if bad != nil {
			return nil, "room", bad
		}
		return frame(room), "", nil
	}
}
