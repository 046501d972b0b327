package wire

import (
	"time"
)

// Protocol is the name of the WebSocket subprotocol.
const Protocol = "ramai.v1"

// A Frame is one JSON object of ramai.v1, sent as one text frame.
type Frame interface {
	// Type is the value of the field "type".
	Type() string
}

// Ping asks for a Pong. It is for clients that cannot see WebSocket pings.
type Ping struct {
	ID string `json:"id,omitempty"`
}

// Pong answers Ping with its ID.
type Pong struct {
	ID  string `json:"id,omitempty"`
	Ref string `json:"ref,omitempty"` // of the request
}

// Error ("error") answers a request that failed and is not answered by Refused.
type Error struct {
	Code         Code   `json:"code"`
	Reason       string `json:"reason"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
	Rule         string `json:"rule,omitempty"`    // with Params and Until: the rule of the room that refused it, see CodedError
	Params       Params `json:"params,omitempty"`  // of the rule
	Until        Time   `json:"until,omitempty"`   // the rule does not refuse it after that
	Request      string `json:"request,omitempty"` // type of the request, if it is a known one
	Room         string `json:"room,omitempty"`    // room of the request, if it has one
	Ref          string `json:"ref,omitempty"`     // of the request
}

// Unknown is a frame of an unknown type. If it has Room and N, it advances the position in that room.
type Unknown struct {
	Kind string `json:"-"`
	Room string `json:"room"`
	N    uint64 `json:"n"`
}

// Type implements Frame.
func (Ping) Type() string { return "ping" }

func (Pong) Type() string { return "pong" }

func (Error) Type() string { return "error" }

func (u Unknown) Type() string { return u.Kind }

// RefusedBy returns the answer to a Say, a Change or a Set that was refused with e.
func RefusedBy(room, id string, e *CodedError) Refused {
	return Refused{Room: room, ID: id, Code: e.Code, Reason: e.Reason, RetryAfterMS: ms(e.RetryAfter), Rule: e.Rule, Params: e.Params, Until: e.Until}
}

// ErrorOf returns the error frame for e.
func ErrorOf(e *CodedError) Error {
	return Error{Code: e.Code, Reason: e.Reason, RetryAfterMS: ms(e.RetryAfter), Rule: e.Rule, Params: e.Params, Until: e.Until}
}

// Refused returns the answer to a request that was refused with e.
func (r Request) Refused(e *CodedError) Frame {
	if room, id := posted(r.Frame); id != "" {
		f := RefusedBy(room, id, e)
		f.Ref = r.Ref
		return f
	}
	f := ErrorOf(e)
	f.Request, f.Room, f.Ref = r.Type, r.Room, r.Ref
	return f
}

// A post is a request that is answered by Saved or Refused.
type post interface {
	posted() (room, id string)
}

// posted returns the room and the id of a post; otherwise empty.
func posted(f Frame) (room, id string) {
	if f, ok := f.(post); ok {
		return f.posted()
	}
	return "", ""
}

// ms rounds up, so that a client that waits as long as requested never retries too early.
func ms(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// decode decodes a frame of one type.
func decode[F Frame](b []byte) (Frame, error) {
	var f F
	err := parse(b, &f)
	return f, err
}

// answers maps the types sent by servers to their decoders.
var answers = map[string]func([]byte) (Frame, error){}

// answer registers a type that servers send. Each file of frames calls it for its own.
func answer[F Frame]() bool {
	var f F
	answers[f.Type()] = decode[F]
	return true
}

var (
	_ = request(Ping{}, parsePing)
	_ = answer[Pong]()
	_ = answer[Error]()
)

// parsePing parses the request.
func parsePing(f fields) (Frame, string, *CodedError) {
	id, bad := f.string("id")
	if bad == nil && id != "" {
		bad = CheckID(id)
	}
	return Ping{ID: id}, "id", bad
}
