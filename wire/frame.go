package wire

import (
	"encoding/json"
	"time"
)

// Protocol is the WebSocket subprotocol of this version.
const Protocol = "ramai.v1"

// A Frame is one JSON object of ramai.v1, sent as one text frame.
type Frame interface {
	// Type is the frame's "type".
	Type() string
}

// What a client sends. Who, Name and Typing go both ways.
type (
	// Hello makes the connection's sender the one of an earlier session. Only as the first frame.
	Hello struct {
		Session string `json:"session"`
	}
	// Join asks for a room's events: those after a position, or the newest Last of them, and then all that come.
	Join struct {
		Room  string    `json:"room"`
		After *Position `json:"after,omitempty"`
		Last  *int      `json:"last,omitempty"` // 0 to MaxLast; nil with nil After: DefaultJoin
	}
	// Leave ends a Join.
	Leave struct {
		Room string `json:"room"`
	}
	// Say says Text in Room, joined or not. Saying the same ID again in the same room never says it twice.
	Say struct {
		Room string `json:"room"`
		ID   string `json:"id"`
		Text string `json:"text"`
	}
	// History asks for one Page: what is before a number or after a position, nearest first to be kept.
	History struct {
		Room   string    `json:"room"`
		Before *uint64   `json:"before,omitempty"`
		After  *Position `json:"after,omitempty"` // a bare one proves nothing: see [Position.Bare]
		Limit  int       `json:"limit,omitempty"` // 1 to MaxPage; 0: MaxPage
	}
	// Ping asks for a Pong, for clients that cannot see WebSocket pings.
	Ping struct {
		ID string `json:"id,omitempty"`
	}
)

// What the server sends.
type (
	// Welcome ("welcome") is the first frame of a connection, and the answer to Hello.
	Welcome struct {
		Protocol string `json:"protocol"`
		Server   string `json:"server"`  // program and version
		SenderID string `json:"by"`      // this sender, in public
		Session  string `json:"session"` // this sender's secret, for Hello
		Name     string `json:"name"`    // the name it holds, or empty
		Text     string `json:"text"`
		Limits   Limits `json:"limits"`
		Ref      string `json:"ref,omitempty"` // of the request
	}
	// Joined answers Join; the room's frames follow it.
	Joined struct {
		Room      string `json:"room"`
		HistoryID string `json:"log"`
		Epoch     string `json:"epoch"`           // the one in which all is heard that follows
		N         uint64 `json:"n"`               // newest number; 0 in an empty room
		First     uint64 `json:"first"`           // oldest number kept; N+1 if none is
		Count     int    `json:"count"`           // connections in the room, this one included
		Reset     bool   `json:"reset,omitempty"` // the position was of another history: replayed as if Last were DefaultJoin
		Ref       string `json:"ref,omitempty"`   // of the request
	}
	// Reset ("reset") takes the place of Joined on a stream (HTTP) whose position was of another history: what follows is a
	// replay.
	Reset Joined
	// Message is one thing said, and also the row a journal keeps. N grows by one in each room.
	Message struct {
		Room        string `json:"room"`
		N           uint64 `json:"n"`
		At          Time   `json:"at"`
		SenderID    string `json:"by"`
		DisplayName string `json:"from"` // the sender's name when it was said, or empty
		ID          string `json:"id"`
		Text        string `json:"text"`
	}
	// Presence is a room's current state, at most one a second.
	Presence struct {
		Room  string   `json:"room"`
		Count int      `json:"count"` // connections
		Names []string `json:"names"` // in rooms of up to MaxNamed connections, sorted; empty in others
	}
	// Page answers History; Messages are in ascending order.
	Page struct {
		Room      string    `json:"room"`
		HistoryID string    `json:"log"`
		Epoch     string    `json:"epoch"`           // the one in which it was read
		First     uint64    `json:"first"`           // oldest number kept when the page was read; what is below is gone for good
		Reset     bool      `json:"reset,omitempty"` // the position was of another history: these are the newest
		Messages  []Message `json:"messages"`
		More      bool      `json:"more"`          // there are more in the direction that was asked for
		Ref       string    `json:"ref,omitempty"` // of the request
	}
	// Gap says that From to To, both included, are gone for good.
	Gap struct {
		Room string `json:"room"`
		From uint64 `json:"from"`
		To   uint64 `json:"to"`
	}
	// Saved answers a Say that is on disk, the first time or a repeat.
	Saved struct {
		Room string `json:"room"`
		ID   string `json:"id"`
		N    uint64 `json:"n"`
		At   Time   `json:"at"`
		Ref  string `json:"ref,omitempty"` // of the request
	}
	// Refused answers a Say that was not stored.
	Refused struct {
		Room         string `json:"room"`
		ID           string `json:"id"`
		Code         Code   `json:"code"`
		Reason       string `json:"reason"`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty"` // > 0: the same again after that may do
		Ref          string `json:"ref,omitempty"`            // of the request
	}
	// Restarting announces that the server goes; another delay for each client.
	Restarting struct {
		RetryAfterMS int64 `json:"retry_after_ms"`
	}
	// Pong answers Ping, with its ID.
	Pong struct {
		ID  string `json:"id,omitempty"`
		Ref string `json:"ref,omitempty"` // of the request
	}
	// Error ("error") answers a frame that could not be done and that no Refused answers.
	Error struct {
		Code         Code   `json:"code"`
		Reason       string `json:"reason"`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
		Request      string `json:"request,omitempty"` // the type of the request, if it is a known one
		Room         string `json:"room,omitempty"`    // the room it is about, if it is about one
		Ref          string `json:"ref,omitempty"`     // of the request
	}
	// Unknown is a frame of a type this package does not know. With Room and N it advances that room's position.
	Unknown struct {
		Kind string `json:"-"`
		Room string `json:"room"`
		N    uint64 `json:"n"`
	}
)

// What goes both ways.
type (
	// Who asks who is in Room; the answer has the exact count and at most MaxWho names, sorted.
	Who struct {
		Room  string   `json:"room"`
		Count int      `json:"count"`
		Names []string `json:"names"`
		Ref   string   `json:"ref,omitempty"` // of the request
	}
	// Name asks for a name, or gives it up if empty; the answer says which is held now. One comes unasked where
	// it has changed otherwise: by another connection of the sender, the server's operator, or its end.
	Name struct {
		Name string `json:"name"`
		Ref  string `json:"ref,omitempty"` // of the request
	}
	// Typing says that the sender is typing in Room; from the server, who is: the current state.
	Typing struct {
		Room string   `json:"room"`
		By   []Sender `json:"by,omitzero"` // in what the server sends: always there
	}
	// Sender is somebody in public: the sender and the name it holds, or none.
	Sender struct {
		SenderID    string `json:"by"`
		DisplayName string `json:"from"`
	}
)

// Position is a place in a room: everything up to number N of log Log, where N was heard in epoch Epoch.
type Position struct {
	HistoryID string `json:"log"`
	Epoch     string `json:"epoch,omitempty"` // empty: of a client that knows of no epochs; its position is taken for what it is
	N         uint64 `json:"n"`
}

// Bare tells whether p is a number alone, without a log and an epoch.
func (p Position) Bare() bool { return p.HistoryID == "" && p.Epoch == "" }

// Limits tells clients what this server allows.
type Limits struct {
	Text  int     `json:"text"`  // bytes of a text
	Frame int     `json:"frame"` // bytes of a frame
	Rate  float64 `json:"rate"`  // events a second; 0: no limit
	Burst int     `json:"burst"` // events at once
	Rooms int     `json:"rooms"` // rooms a connection may join
}

// Type implements Frame.
func (Hello) Type() string      { return "hello" }
func (Join) Type() string       { return "join" }
func (Leave) Type() string      { return "leave" }
func (Say) Type() string        { return "say" }
func (History) Type() string    { return "history" }
func (Who) Type() string        { return "who" }
func (Name) Type() string       { return "name" }
func (Typing) Type() string     { return "typing" }
func (Ping) Type() string       { return "ping" }
func (Welcome) Type() string    { return "welcome" }
func (Joined) Type() string     { return "joined" }
func (Reset) Type() string      { return "reset" }
func (Message) Type() string    { return "message" }
func (Presence) Type() string   { return "presence" }
func (Page) Type() string       { return "page" }
func (Gap) Type() string        { return "gap" }
func (Saved) Type() string      { return "saved" }
func (Refused) Type() string    { return "refused" }
func (Restarting) Type() string { return "restarting" }
func (Pong) Type() string       { return "pong" }
func (Error) Type() string      { return "error" }
func (u Unknown) Type() string  { return u.Kind }

// MarshalJSON implements json.Marshaler: a bare position travels as a number, which older servers understand too.
func (h History) MarshalJSON() ([]byte, error) {
	type fields History
	if h.After == nil || !h.After.Bare() {
		return json.Marshal(fields(h))
	}
	return json.Marshal(struct {
		fields
		After uint64 `json:"after"` // takes the place of the one in fields
	}{fields(h), h.After.N})
}

// RefusedBy makes the answer to a Say out of the reason it was not stored.
func RefusedBy(room, id string, e *CodedError) Refused {
	return Refused{Room: room, ID: id, Code: e.Code, Reason: e.Reason, RetryAfterMS: ms(e.RetryAfter)}
}

// ErrorOf makes an error frame out of an error.
func ErrorOf(e *CodedError) Error {
	return Error{Code: e.Code, Reason: e.Reason, RetryAfterMS: ms(e.RetryAfter)}
}

// Refused makes the answer to a request out of the reason it was not done.
func (r Request) Refused(e *CodedError) Frame {
	if say, ok := r.Frame.(Say); ok {
		f := RefusedBy(say.Room, say.ID, e)
		f.Ref = r.Ref
		return f
	}
	f := ErrorOf(e)
	f.Request, f.Room, f.Ref = r.Type, r.Room, r.Ref
	return f
}

// ms rounds up, so that a client that waits as long as it was told never comes too early.
func ms(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// decode reads the fields of one frame type.
func decode[F Frame](b []byte) (Frame, error) {
	var f F
	err := parse(b, &f)
	return f, err
}

// answers are the types that a server sends.
var answers = map[string]func([]byte) (Frame, error){
	"welcome": decode[Welcome], "joined": decode[Joined], "reset": decode[Reset], "message": decode[Message], "presence": decode[Presence],
	"page": decode[Page], "gap": decode[Gap], "saved": decode[Saved], "refused": decode[Refused],
	"restarting": decode[Restarting], "pong": decode[Pong], "error": decode[Error],
	"who": decode[Who], "name": decode[Name], "typing": decode[Typing],
}
