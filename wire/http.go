package wire

// PostResponse is the answer of POST /api/v1/rooms/ROOM/messages: it is on disk.
type PostResponse struct {
	HistoryID string `json:"log"`
	Epoch     string `json:"epoch"`
	N         uint64 `json:"n"`
	At        Time   `json:"at"`
}

// HistoryResponse is the answer of GET /api/v1/rooms/ROOM/messages.
type HistoryResponse struct {
	HistoryID string    `json:"log"`
	Epoch     string    `json:"epoch"`           // the one in which these were read
	First     uint64    `json:"first"`           // oldest number kept; what is below is gone for good
	Reset     bool      `json:"reset,omitempty"` // the position was of another history: these are the newest
	Messages  []Message `json:"messages"`        // ascending
	More      bool      `json:"more"`            // there are more in the direction that was asked for
}

// SearchResponse is the answer of GET /api/v1/search.
type SearchResponse struct {
	HistoryID string            `json:"log"`
	Hits      []Hit             `json:"hits"`       // newest first
	More      bool              `json:"more"`       // there are older ones
	IndexedTo map[string]uint64 `json:"indexed_to"` // by room: the newest number that was searched
	Behind    uint64            `json:"behind"`     // how many messages were not searched yet
}

// Hit is a message that has the words that were looked for.
type Hit struct {
	Room        string   `json:"room"`
	N           uint64   `json:"n"`
	At          Time     `json:"at"`
	SenderID    string   `json:"by"`
	DisplayName string   `json:"from"`
	ID          string   `json:"id"`
	Snippet     string   `json:"snippet"` // of the text, with "…" where it was cut
	Marks       [][2]int `json:"marks"`   // where the words stand: the first character (code point) of each, and the one after it
}

// Bounds of a search.
const (
	MaxHits       = 100 // of one answer
	DefaultHits   = 50
	MaxNotIndexed = 100 // rooms that IndexedTo names if no room was asked for
)
