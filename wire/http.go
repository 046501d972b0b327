package wire

// PostResponse is the response to POST /api/v1/rooms/ROOM/messages: the message is on disk.
type PostResponse struct {
	HistoryID string `json:"log"`
	Epoch     string `json:"epoch"`
	N         uint64 `json:"n"`
	At        Time   `json:"at"`
}

// HistoryResponse is the response to GET /api/v1/rooms/ROOM/messages.
type HistoryResponse struct {
	HistoryID string    `json:"log"`
	Epoch     string    `json:"epoch"`             // epoch in which these were read
	First     uint64    `json:"first"`             // oldest number kept; older messages are deleted
	Reset     bool      `json:"reset,omitempty"`   // the position belongs to another history: these are the newest
	Target    uint64    `json:"target,omitempty"`  // with a time: the oldest message that is not older; 0: all are older
	Head      uint64    `json:"head"`              // newest number of the room when these were read
	Messages  []Message `json:"messages"`          // in ascending order
	Skipped   []Range   `json:"skipped,omitempty"` // the numbers between and around Messages that are not messages
	More      bool      `json:"more"`              // there are more messages in the same direction; with a time: newer ones
	As        string    `json:"as,omitempty"`      // of the request: there may be other messages between these
	Mine      Mine      `json:"mine,omitempty"`    // marks of the sender of the request; without a session none
}

// MarkResponse is the response to PUT and DELETE /api/v1/rooms/ROOM/messages/N/marks/KEY.
type MarkResponse struct {
	Of  uint64 `json:"of"`
	Key string `json:"key"`
	On  bool   `json:"on"`
}

// StateResponse is the response to GET /api/v1/rooms/ROOM/state. The fields are those of Settings.
type StateResponse struct {
	N        uint64    `json:"n"`
	Settings []Setting `json:"settings"`
	More     bool      `json:"more"`
}

// PeopleResponse is the response to GET /api/v1/rooms/ROOM/people. The fields are those of Who.
type PeopleResponse struct {
	Count    int      `json:"count"`
	Matching int      `json:"matching"`
	Names    []string `json:"names"`
}

// RoomsResponse is the response to GET /api/v1/rooms.
type RoomsResponse struct {
	Rooms []RoomInfo `json:"rooms"` // in alphabetical order
	More  bool       `json:"more"`  // there are more rooms after the last one
}

// RoomInfo describes a room that has messages.
type RoomInfo struct {
	Room  string `json:"room"`
	First uint64 `json:"first"` // number of the oldest message
	Last  uint64 `json:"last"`  // number of the newest message
	At    Time   `json:"at"`    // time of the newest message
	Count int    `json:"count"` // people in the room now
}

// MaxRooms is the maximum number of rooms in one response.
const MaxRooms = 500

// SearchResponse is the response to GET /api/v1/search.
type SearchResponse struct {
	HistoryID string            `json:"log"`
	Hits      []Hit             `json:"hits"`       // newest first
	More      bool              `json:"more"`       // there are older hits
	IndexedTo map[string]uint64 `json:"indexed_to"` // by room: newest number that was searched
	Behind    uint64            `json:"behind"`     // number of messages not indexed yet
}

// Hit is a message that matches a search.
type Hit struct {
	Room        string   `json:"room"`
	N           uint64   `json:"n"`
	At          Time     `json:"at"`
	SenderID    string   `json:"by"`
	DisplayName string   `json:"from"`
	ID          string   `json:"id"`
	Snippet     string   `json:"snippet"` // part of the text, with "…" where it was cut
	Marks       [][2]int `json:"marks"`   // for each word, the index of its first character (code point) and of the one after it
}

// Limits of a search.
const (
	MaxHits       = 100 // in one response
	DefaultHits   = 50
	MaxNotIndexed = 100 // rooms listed in IndexedTo if no room was given
)

// ReportResponse answers a report. It does not say where the moderators find it.
type ReportResponse struct {
	Of uint64 `json:"of"` // number of the reported message
}
