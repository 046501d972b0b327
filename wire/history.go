package wire

import (
	"encoding/json"
	"fmt"
	"math"
)

// History asks for one Page of messages before a number, after a position, or around a time. The ones nearest to it are
// returned. At most one of Before, After and At is set. With As, only messages that are As are returned, the newest ones
// before Before.
type History struct {
	Room   string    `json:"room"`
	Before *uint64   `json:"before,omitempty"`
	After  *Position `json:"after,omitempty"` // a bare one cannot be checked: see [Position.Bare]
	At     *Time     `json:"at,omitempty"`
	Limit  int       `json:"limit,omitempty"` // 1 to MaxPage; 0: MaxPage
	As     string    `json:"as,omitempty"`    // Question or Poll; with neither After nor At
}

// Page answers History. Messages are in ascending order. A page with As covers no range of numbers: between its messages
// there may be others.
type Page struct {
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
type Gap struct {
	Room string `json:"room"`
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

var (
	_ = request(History{}, parseHistory)
	_ = answer[Page]()
	_ = answer[Gap]()
)

// Type implements Frame.
func (History) Type() string { return "history" }

// Type implements Frame.
func (Page) Type() string { return "page" }

// Type implements Frame.
func (Gap) Type() string { return "gap" }

// parseHistory parses the request.
func parseHistory(f fields) (Frame, string, *CodedError) {
	room, bad := f.room()
	if bad != nil {
		return nil, "room", bad
	}
	h := History{Room: room}
	if h.Before, bad = f.number("before", math.MaxUint64); bad != nil {
		return nil, "before", bad
	}
	if h.After, bad = f.positionOrNumber("after"); bad != nil {
		return nil, "after", bad
	}
	if h.At, bad = f.time("at"); bad != nil {
		return nil, "at", bad
	}
	if h.As, bad = f.string("as"); bad != nil {
		return nil, "as", bad
	}
	if bad = h.Check(); bad != nil {
		return nil, "", bad
	}
	limit, bad := f.number("limit", MaxPage)
	if bad != nil {
		return nil, "limit", bad
	}
	if limit != nil {
		h.Limit = int(*limit)
	}
	return h, "", nil
}

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
