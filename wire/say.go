package wire

// Say posts Text in Room, joined or not. Repeating the same ID in the same room never posts twice.
type Say struct {
	Room    string   `json:"room"`
	ID      string   `json:"id"`
	Text    string   `json:"text"`
	Re      uint64   `json:"re,omitempty"`      // number of the message that this one replies to; 0: none
	As      string   `json:"as,omitempty"`      // Question, Poll or Notice
	Options []string `json:"options,omitempty"` // of a Poll
}

// Message is a message in a room, as it is when it is sent: it has the newest text.
type Message struct {
	Room        string   `json:"room"`
	N           uint64   `json:"n"`
	At          Time     `json:"at"`
	SenderID    string   `json:"by"`
	DisplayName string   `json:"from"` // name of the sender at that time, or empty
	ID          string   `json:"id"`
	Text        string   `json:"text"`               // empty if Gone
	Re          uint64   `json:"re,omitempty"`       // number of the message that it replies to; 0: none
	Edited      uint64   `json:"edited,omitempty"`   // number of the newest Changed of it; 0: it was not edited
	EditedAt    Time     `json:"edited_at,omitzero"` // when that was; 0: unknown, for edits that older servers stored
	Gone        bool     `json:"gone,omitempty"`     // it was deleted
	As          string   `json:"as,omitempty"`       // Question, Poll or Notice, or in a room of moderators HeldMessage, ReportMessage or ActionMessage; empty: a message like most
	Options     []string `json:"options,omitempty"`  // of a Poll
	Tally       Counts   `json:"tally,omitempty"`    // how many senders have marked it
	Tallied     uint64   `json:"tallied,omitempty"`  // number of the newest Tally of it; 0: none
	Of          uint64   `json:"of,omitempty"`       // in a room of moderators: number of a message of the room that it is about; of a held message: that it replies to
	Action      *Action  `json:"action,omitempty"`   // of an ActionMessage
}

// Saved answers a Say, a Change or a Set that is on disk, for the first time or repeated.
type Saved struct {
	Room string `json:"room"`
	ID   string `json:"id"`
	N    uint64 `json:"n,omitempty"` // 0: what was saved has no number in the room
	At   Time   `json:"at"`
	Ref  string `json:"ref,omitempty"` // of the request
}

// Refused answers a Say, a Change or a Set that was not stored.
type Refused struct {
	Room         string `json:"room"`
	ID           string `json:"id"`
	Code         Code   `json:"code"`
	Reason       string `json:"reason"`
	RetryAfterMS int64  `json:"retry_after_ms,omitempty"` // > 0: trying again after that may succeed
	Rule         string `json:"rule,omitempty"`           // with Params and Until: the rule of the room that refused it, see CodedError
	Params       Params `json:"params,omitempty"`         // of the rule
	Until        Time   `json:"until,omitempty"`          // the rule does not refuse it after that
	Ref          string `json:"ref,omitempty"`            // of the request
}

var (
	_ = request(Say{}, parseSay)
	_ = answer[Message]()
	_ = answer[Saved]()
	_ = answer[Refused]()
)

// Type implements Frame.
func (Say) Type() string { return "say" }

func (s Say) posted() (room, id string) { return s.Room, s.ID }

// Type implements Frame.
func (Message) Type() string { return "message" }

// Type implements Frame.
func (Saved) Type() string { return "saved" }

// Type implements Frame.
func (Refused) Type() string { return "refused" }

// parseSay parses the request.
func parseSay(f fields) (Frame, string, *CodedError) {
	var say Say
	var where string
	var bad *CodedError
	if say.Room, say.ID, where, bad = f.posted(); say.ID == "" {
		return nil, where, bad
	}
	if bad != nil {
		return say, where, bad
	}
	if f.value("text") == nil {
		return say, "text", &CodedError{Code: BadRequest, Reason: `it is missing; a text may be empty, ""`}
	}
	text, bad := f.string("text")
	if bad != nil {
		return say, "text", bad
	}
	say.Text = NormalizeText(text)
	if f.value("re") != nil {
		if say.Re, bad = f.target("re"); bad != nil {
			return say, "re", bad
		}
	}
	if say.As, bad = f.string("as"); bad != nil {
		return say, "as", bad
	}
	if say.Options, bad = f.strings("options"); bad == nil {
		for i := range say.Options {
			say.Options[i] = NormalizeText(say.Options[i])
		}
	} else {
		return say, "options", bad
	}
	return say, "", CheckAs(say.As, say.Options)
}
