package wire

import (
	"encoding/json"
	"fmt"
	"time"
)

// Protocol is the name of the WebSocket subprotocol.
const Protocol = "ramai.v1"

// A Frame is one JSON object of ramai.v1, sent as one text frame.
type Frame interface {
	// Type is the value of the field "type".
	Type() string
}

// Frames sent by clients. Who, Name and Typing are sent in both directions.
type (
	// Hello resumes the sender of an earlier session. It must be the first frame.
	Hello struct {
		Session string `json:"session"`
	}
	// Join subscribes to a room: to the messages after a position, or to the newest Last of them, and to all that
	// follow.
	Join struct {
		Room  string    `json:"room"`
		After *Position `json:"after,omitempty"`
		Last  *int      `json:"last,omitempty"` // 0 to MaxLast; nil, with nil After: DefaultJoin
	}
	// Leave ends a Join.
	Leave struct {
		Room string `json:"room"`
	}
	// Say posts Text in Room, joined or not. Repeating the same ID in the same room never posts twice.
	Say struct {
		Room    string   `json:"room"`
		ID      string   `json:"id"`
		Text    string   `json:"text"`
		Re      uint64   `json:"re,omitempty"`      // number of the message that this one replies to; 0: none
		As      string   `json:"as,omitempty"`      // Question, Poll or Notice
		Options []string `json:"options,omitempty"` // of a Poll
	}
	// Change edits or deletes message Of, which the sender posted. Repeating the same ID in the same room never changes
	// twice.
	Change struct {
		Room string  `json:"room"`
		ID   string  `json:"id"`
		Of   uint64  `json:"of"`
		Text *string `json:"text"` // the new text; nil deletes the message
	}
	// Mark adds a mark of the sender to message Of, or takes it away. Repeated, it changes nothing.
	Mark struct {
		Room string `json:"room"`
		Of   uint64 `json:"of"`
		Key  string `json:"key"` // see CheckMarkKey
		On   bool   `json:"on"`
	}
	// Set changes a setting of a room. Repeating the same ID in the same room never sets twice.
	Set struct {
		Room  string `json:"room"`
		ID    string `json:"id"`
		Key   string `json:"key"` // see CheckSetting
		Value Value  `json:"value"`
	}
	// StateRequest ("state") asks for one page of the settings of a room.
	StateRequest struct {
		Room   string `json:"room"`
		Prefix string `json:"prefix,omitempty"` // only keys that begin with it
		After  string `json:"after,omitempty"`  // only keys after this one
		Limit  int    `json:"limit,omitempty"`  // 1 to MaxSettings; 0: MaxSettings
	}
	// History asks for one Page of messages before a number, after a position, or around a time. The ones nearest to it are
	// returned. At most one of Before, After and At is set. With As, only messages that are As are returned, the newest ones
	// before Before.
	History struct {
		Room   string    `json:"room"`
		Before *uint64   `json:"before,omitempty"`
		After  *Position `json:"after,omitempty"` // a bare one cannot be checked: see [Position.Bare]
		At     *Time     `json:"at,omitempty"`
		Limit  int       `json:"limit,omitempty"` // 1 to MaxPage; 0: MaxPage
		As     string    `json:"as,omitempty"`    // Question or Poll; with neither After nor At
	}
	// Ping asks for a Pong. It is for clients that cannot see WebSocket pings.
	Ping struct {
		ID string `json:"id,omitempty"`
	}
)

// Frames sent by servers.
type (
	// Welcome ("welcome") is the first frame of a connection, and the answer to Hello.
	Welcome struct {
		Protocol string `json:"protocol"`
		Server   string `json:"server"`  // program and version
		SenderID string `json:"by"`      // public id of this sender
		Session  string `json:"session"` // secret of this sender, for Hello
		Name     string `json:"name"`    // name of this sender, or empty
		Text     string `json:"text"`
		Limits   Limits `json:"limits"`
		Ref      string `json:"ref,omitempty"` // of the request
	}
	// Joined answers Join. The messages of the room follow it.
	Joined struct {
		Room      string  `json:"room"`
		HistoryID string  `json:"log"`
		Epoch     string  `json:"epoch"`            // epoch of everything that follows
		N         uint64  `json:"n"`                // newest number; 0 in an empty room
		First     uint64  `json:"first"`            // oldest number kept; N+1 if none
		Count     int     `json:"count"`            // people in the room, including this one
		From      *uint64 `json:"from,omitempty"`   // the replay starts after this number; nil from older servers
		Unread    *int    `json:"unread,omitempty"` // messages after the position of the Join, at most MaxLast; nil without one, and from older servers
		Reset     bool    `json:"reset,omitempty"`  // the position belongs to another history: replayed as if Last were DefaultJoin
		Ref       string  `json:"ref,omitempty"`    // of the request

		State map[string]Value `json:"state,omitempty"` // settings as of N, at most StateBytes of them
		Mine  Mine             `json:"mine,omitempty"`  // of the messages that are replayed
	}
	// Epoch says that another epoch has begun: in all rooms of the connection, everything that follows is of this epoch.
	Epoch struct {
		HistoryID string `json:"log"`
		Epoch     string `json:"epoch"`
	}
	// Reset ("reset") replaces Joined on HTTP streams if the position belongs to another history. A replay follows.
	Reset Joined
	// Message is a message in a room, as it is when it is sent: it has the newest text.
	Message struct {
		Room        string `json:"room"`
		N           uint64 `json:"n"`
		At          Time   `json:"at"`
		SenderID    string `json:"by"`
		DisplayName string `json:"from"` // name of the sender at that time, or empty
		ID          string `json:"id"`
		Text        string `json:"text"`             // empty if Gone
		Re          uint64 `json:"re,omitempty"`     // number of the message that it replies to; 0: none
		Edited      uint64 `json:"edited,omitempty"` // number of the newest Changed of it; 0: it was not edited
		Gone        bool   `json:"gone,omitempty"`   // it was deleted

		As      string   `json:"as,omitempty"`      // Question, Poll or Notice; empty: a message like most
		Options []string `json:"options,omitempty"` // of a Poll
		Tally   Counts   `json:"tally,omitempty"`   // how many senders have marked it
		Tallied uint64   `json:"tallied,omitempty"` // number of the newest Tally of it; 0: none
	}
	// Changed says that a message was edited or deleted. Like every frame of a room it has a number of its own.
	Changed struct {
		Room        string  `json:"room"`
		N           uint64  `json:"n"`
		At          Time    `json:"at"`
		Of          Targets `json:"of"`             // the messages; none if a later Changed has replaced this one
		SenderID    string  `json:"by,omitempty"`   // with From and ID: the sender, if it is the author of the message
		DisplayName string  `json:"from,omitempty"` // name of the sender at that time, or empty
		ID          string  `json:"id,omitempty"`
		Text        *string `json:"text"` // the new text; nil: deleted
	}
	// Tally has all counts of some messages. A message's key that is missing has the count 0.
	Tally struct {
		Room string            `json:"room"`
		N    uint64            `json:"n"`
		At   Time              `json:"at"`
		Of   map[uint64]Counts `json:"of"`
	}
	// Marked answers Mark, and tells the sender's other connections in the room about it.
	Marked struct {
		Room string `json:"room"`
		Of   uint64 `json:"of"`
		Key  string `json:"key"`
		On   bool   `json:"on"`
		Ref  string `json:"ref,omitempty"` // of the request
	}
	// State says that a setting of the room was changed.
	State struct {
		Room        string `json:"room"`
		N           uint64 `json:"n"`
		At          Time   `json:"at"`
		Key         string `json:"key"`
		Value       Value  `json:"value"`          // null: unset
		SenderID    string `json:"by,omitempty"`   // with From and ID: the sender
		DisplayName string `json:"from,omitempty"` // name of the sender at that time, or empty
		ID          string `json:"id,omitempty"`
	}
	// Settings answers StateRequest. The settings are in the order of their keys.
	Settings struct {
		Room     string    `json:"room"`
		N        uint64    `json:"n"` // newest number of the room when they were read
		Settings []Setting `json:"settings"`
		More     bool      `json:"more"`          // there are more after the last one
		Ref      string    `json:"ref,omitempty"` // of the request
	}
	// Presence is the current presence in a room, sent at most once a second.
	Presence struct {
		Room  string   `json:"room"`
		Count int      `json:"count"` // people: a sender with several connections counts once
		Names []string `json:"names"` // in rooms of up to MaxNamed people, in alphabetical order; otherwise empty
	}
	// Page answers History. Messages are in ascending order. A page with As covers no range of numbers: between its messages
	// there may be others.
	Page struct {
		Room      string    `json:"room"`
		HistoryID string    `json:"log"`
		Epoch     string    `json:"epoch"`            // epoch in which the page was read
		First     uint64    `json:"first"`            // oldest number kept when the page was read; older messages are deleted
		Reset     bool      `json:"reset,omitempty"`  // the position belongs to another history: these are the newest
		Target    uint64    `json:"target,omitempty"` // with At: the oldest message that is not older; 0: all are older
		Head      uint64    `json:"head"`             // newest number of the room when the page was read; 0 also from older servers
		Messages  []Message `json:"messages"`
		Skipped   []Range   `json:"skipped,omitempty"` // the numbers between and around Messages that are not messages
		More      bool      `json:"more"`              // there are more messages in the same direction; with At: newer ones
		Ref       string    `json:"ref,omitempty"`     // of the request
		As        string    `json:"as,omitempty"`      // of the request
		Mine      Mine      `json:"mine,omitempty"`    // of Messages
	}
	// Gap reports that messages From to To, both included, are deleted.
	Gap struct {
		Room string `json:"room"`
		From uint64 `json:"from"`
		To   uint64 `json:"to"`
	}
	// Saved answers a Say, a Change or a Set that is on disk, for the first time or repeated.
	Saved struct {
		Room string `json:"room"`
		ID   string `json:"id"`
		N    uint64 `json:"n"`
		At   Time   `json:"at"`
		Ref  string `json:"ref,omitempty"` // of the request
	}
	// Refused answers a Say, a Change or a Set that was not stored.
	Refused struct {
		Room         string `json:"room"`
		ID           string `json:"id"`
		Code         Code   `json:"code"`
		Reason       string `json:"reason"`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty"` // > 0: trying again after that may succeed
		Ref          string `json:"ref,omitempty"`            // of the request
	}
	// Restarting announces that the server shuts down. Each client gets another delay.
	Restarting struct {
		RetryAfterMS int64 `json:"retry_after_ms"`
	}
	// Pong answers Ping with its ID.
	Pong struct {
		ID  string `json:"id,omitempty"`
		Ref string `json:"ref,omitempty"` // of the request
	}
	// Error ("error") answers a request that failed and is not answered by Refused.
	Error struct {
		Code         Code   `json:"code"`
		Reason       string `json:"reason"`
		RetryAfterMS int64  `json:"retry_after_ms,omitempty"`
		Request      string `json:"request,omitempty"` // type of the request, if it is a known one
		Room         string `json:"room,omitempty"`    // room of the request, if it has one
		Ref          string `json:"ref,omitempty"`     // of the request
	}
	// Unknown is a frame of an unknown type. If it has Room and N, it advances the position in that room.
	Unknown struct {
		Kind string `json:"-"`
		Room string `json:"room"`
		N    uint64 `json:"n"`
	}
)

// Frames sent in both directions.
type (
	// Who asks who is in Room. The answer has the number of people, and the names that begin with Prefix.
	Who struct {
		Room     string   `json:"room"`
		Prefix   string   `json:"prefix,omitempty"` // in any case, with or without accents; at most MaxPrefix bytes
		Limit    int      `json:"limit,omitempty"`  // of Names, in a request: 1 to MaxWho; 0: MaxWho
		Count    int      `json:"count"`            // people, with and without a name
		Matching int      `json:"matching"`         // people whose name begins with Prefix
		Names    []string `json:"names"`            // of the latest speakers first, then in alphabetical order
		Ref      string   `json:"ref,omitempty"`    // of the request
	}
	// Name reserves a name, or releases it if empty. The answer says which name the sender has now. The server also
	// sends it when the name was changed by another connection of the sender or by the operator, or has expired.
	Name struct {
		Name string `json:"name"`
		Ref  string `json:"ref,omitempty"` // of the request
	}
	// Typing announces that the sender is typing in Room. From the server, it lists everyone who is.
	Typing struct {
		Room string   `json:"room"`
		By   []Sender `json:"by,omitzero"` // always present in frames from the server
	}
	// Sender is the public identity of a sender: its id and its name, which may be empty.
	Sender struct {
		SenderID    string `json:"by"`
		DisplayName string `json:"from"`
	}
)

// Counts has the number of senders for each key of a message's marks.
type Counts map[string]uint64

// Mine has the keys of the receiver's marks, in ascending order, by number of the message.
type Mine map[uint64][]string

// Position is a position in a room: everything up to number N of history HistoryID, where N was received in epoch
// Epoch.
type Position struct {
	HistoryID string `json:"log"`
	Epoch     string `json:"epoch,omitempty"` // empty from clients without epochs, whose position is not checked
	N         uint64 `json:"n"`
}

// Bare reports whether p is a number alone, without history and epoch.
func (p Position) Bare() bool { return p.HistoryID == "" && p.Epoch == "" }

// A Range is the numbers From to To, both included. In JSON it is an array of both.
type Range struct{ From, To uint64 }

// MarshalJSON implements json.Marshaler.
func (r Range) MarshalJSON() ([]byte, error) { return json.Marshal([2]uint64{r.From, r.To}) }

// UnmarshalJSON implements json.Unmarshaler.
func (r *Range) UnmarshalJSON(b []byte) error {
	var ends []uint64
	if err := json.Unmarshal(b, &ends); err != nil {
		return err
	}
	if len(ends) != 2 || ends[0] > ends[1] {
		return fmt.Errorf("invalid range %.60s (want two ascending numbers)", b)
	}
	r.From, r.To = ends[0], ends[1]
	return nil
}

// Targets are the messages that a frame is about. In JSON, a single number stands for itself, and everything else is an
// array of ranges.
type Targets []Range

// Target returns n as the only target.
func Target(n uint64) Targets { return Targets{{n, n}} }

// One returns the number of a single target, or 0.
func (t Targets) One() uint64 {
	if len(t) == 1 && t[0].From == t[0].To {
		return t[0].From
	}
	return 0
}

// MarshalJSON implements json.Marshaler.
func (t Targets) MarshalJSON() ([]byte, error) {
	if n := t.One(); n > 0 {
		return json.Marshal(n)
	}
	return json.Marshal(append([]Range{}, t...)) // never null
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *Targets) UnmarshalJSON(b []byte) error {
	var n uint64
	if json.Unmarshal(b, &n) == nil {
		*t = Target(n)
		return nil
	}
	var ranges []Range
	if err := json.Unmarshal(b, &ranges); err != nil {
		return err
	}
	*t = ranges
	return nil
}

// Limits are the limits of this server.
type Limits struct {
	Text  int     `json:"text"`  // bytes of a text
	Frame int     `json:"frame"` // bytes of a frame
	Rate  float64 `json:"rate"`  // messages a second; 0: no limit
	Burst int     `json:"burst"` // messages at once
	Rooms int     `json:"rooms"` // rooms that a connection may join

	// EditWindow is how long authors can edit and delete a message, in milliseconds; 0: not at all.
	EditWindow int64 `json:"edit_window_ms"`
}

// Type implements Frame.
func (Hello) Type() string        { return "hello" }
func (Join) Type() string         { return "join" }
func (Leave) Type() string        { return "leave" }
func (Say) Type() string          { return "say" }
func (Change) Type() string       { return "change" }
func (Mark) Type() string         { return "mark" }
func (Set) Type() string          { return "set" }
func (StateRequest) Type() string { return "state" }
func (History) Type() string      { return "history" }
func (Who) Type() string          { return "who" }
func (Name) Type() string         { return "name" }
func (Typing) Type() string       { return "typing" }
func (Ping) Type() string         { return "ping" }
func (Welcome) Type() string      { return "welcome" }
func (Joined) Type() string       { return "joined" }
func (Epoch) Type() string        { return "epoch" }
func (Reset) Type() string        { return "reset" }
func (Message) Type() string      { return "message" }
func (Changed) Type() string      { return "changed" }
func (Tally) Type() string        { return "tally" }
func (Marked) Type() string       { return "marked" }
func (State) Type() string        { return "state" }
func (Settings) Type() string     { return "settings" }
func (Presence) Type() string     { return "presence" }
func (Page) Type() string         { return "page" }
func (Gap) Type() string          { return "gap" }
func (Saved) Type() string        { return "saved" }
func (Refused) Type() string      { return "refused" }
func (Restarting) Type() string   { return "restarting" }
func (Pong) Type() string         { return "pong" }
func (Error) Type() string        { return "error" }
func (u Unknown) Type() string    { return u.Kind }

// MarshalJSON implements json.Marshaler. A bare position is sent as a number, which older servers understand too.
func (h History) MarshalJSON() ([]byte, error) {
	type fields History
	if h.After == nil || !h.After.Bare() {
		return json.Marshal(fields(h))
	}
	return json.Marshal(struct {
		fields
		After uint64 `json:"after"` // replaces the one in fields
	}{fields(h), h.After.N})
}

// Check returns an error if h has more than one of Before, After and At, or an As that it cannot have.
func (h History) Check() *CodedError {
	given := 0
	for _, set := range []bool{h.Before != nil, h.After != nil, h.At != nil} {
		if set {
			given++
		}
	}
	if given > 1 {
		return &CodedError{Code: BadRequest, Reason: "use one of before, after and at, not several"}
	}
	switch {
	case h.As == "":
	case h.As != Question && h.As != Poll:
		return &CodedError{Code: BadRequest, Reason: fmt.Sprintf("unknown as %.40q; use %s or %s", h.As, Question, Poll)}
	case h.After != nil || h.At != nil:
		return &CodedError{Code: BadRequest, Reason: "use as with before, or alone"}
	}
	return nil
}

// RefusedBy returns the answer to a Say, a Change or a Set that was refused with e.
func RefusedBy(room, id string, e *CodedError) Refused {
	return Refused{Room: room, ID: id, Code: e.Code, Reason: e.Reason, RetryAfterMS: ms(e.RetryAfter)}
}

// ErrorOf returns the error frame for e.
func ErrorOf(e *CodedError) Error {
	return Error{Code: e.Code, Reason: e.Reason, RetryAfterMS: ms(e.RetryAfter)}
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

// posted returns the room and the id of a request that is answered by Saved or Refused; otherwise empty.
func posted(f Frame) (room, id string) {
	switch f := f.(type) {
	case Say:
		return f.Room, f.ID
	case Change:
		return f.Room, f.ID
	case Set:
		return f.Room, f.ID
	}
	return "", ""
}

// ms rounds up, so that a client that waits as long as it was told never retries too early.
func ms(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

// decode decodes a frame of one type.
func decode[F Frame](b []byte) (Frame, error) {
	var f F
	err := parse(b, &f)
	return f, err
}

// answers maps the types sent by servers to their decoders.
var answers = map[string]func([]byte) (Frame, error){
	"welcome": decode[Welcome], "joined": decode[Joined], "epoch": decode[Epoch], "reset": decode[Reset], "message": decode[Message], "changed": decode[Changed],
	"tally": decode[Tally], "marked": decode[Marked], "state": decode[State], "settings": decode[Settings],
	"presence": decode[Presence],
	"page":     decode[Page], "gap": decode[Gap], "saved": decode[Saved], "refused": decode[Refused],
	"restarting": decode[Restarting], "pong": decode[Pong], "error": decode[Error],
	"who": decode[Who], "name": decode[Name], "typing": decode[Typing],
}
