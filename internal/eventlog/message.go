package eventlog

import "ramai/wire"

// A messageBody is the content of a message's row. Its encoding begins with a byte for the version. The text follows if
// there is nothing else, and otherwise all of it.
type messageBody struct {
	_       struct{} `cbor:",toarray"`
	Text    string
	Re      uint64            // number of the message that it replies to; 0: none
	As      string            // see SayAs
	Options []string          // see SayAs
	Edited  uint64            // number of its newest change; 0: none
	Gone    bool              // it was deleted: only Edited is left
	Tally   map[string]uint64 // its counts as of the newest tally
	Tallied uint64            // number of its newest tally; 0: none

	EditedAt wire.Time    `cbor:"-"` // when it was edited; 0: it was not, or below editedAtLevel. See editedBody
	Of       uint64       `cbor:"-"` // with Action, of a message that isLogged: see wire.Message and loggedBody
	Action   *wire.Action `cbor:"-"`
	Author   string       `cbor:"-"` // of a report: who has posted the message; empty: unknown
}

// An editedBody is what is encoded for a message that has a time at which it was edited.
type editedBody struct {
	_       struct{} `cbor:",toarray"`
	At      wire.Time
	Message messageBody
}

// Versions of the encoding of a messageBody.
const (
	textVersion = 1
	fullVersion = 2
	// editedVersion is followed by an editedBody. Programs below editedAtLevel do not know it.
	editedVersion = 3
	// loggedVersion is followed by a loggedBody. Programs below HoldLevel do not know it.
	loggedVersion = 4
)

func encodeText(text string) string { return string(rune(textVersion)) + text }

func (m *messageBody) encode() string {
	if m.isLogged() {
		return string(rune(loggedVersion)) + string(must(encoding.Marshal(loggedBody{Of: m.Of, Action: storeAction(m.Action), Author: m.Author, Message: *m})))
	}
	if m.EditedAt != 0 {
		return string(rune(editedVersion)) + string(must(encoding.Marshal(editedBody{At: m.EditedAt, Message: *m})))
	}
	if m.Re == 0 && m.As == "" && len(m.Options) == 0 && m.Edited == 0 && !m.Gone && len(m.Tally) == 0 && m.Tallied == 0 {
		return encodeText(m.Text)
	}
	return string(rune(fullVersion)) + string(must(encoding.Marshal(m)))
}

// decodeMessage decodes the row of a message.
func decodeMessage(body string) (m messageBody, err error) {
	m, err = readMessage(body)
	if err == nil {
		err = checkString(Say, "text", m.Text, maxText, false)
	}
	switch {
	case err != nil:
	case m.isLogged():
		err = m.checkLogged()
	case m.As != "" || m.Options != nil:
		err = checkAs(m.As, m.Options)
	}
	if err != nil {
		return messageBody{}, err
	}
	return m, nil
}

// readMessage is decodeMessage without a check of the text, which is slow, for rows that were already checked.
func readMessage(body string) (m messageBody, err error) {
	if body != "" && body[0] >= fullVersion && body[0] <= loggedVersion {
		return readFull(body)
	}
	if err := checkRecordVersion(body, textVersion); err != nil {
		return messageBody{}, err
	}
	return messageBody{Text: body[1:]}, nil
}

// readFull is a separate function because it allocates.
func readFull(body string) (m messageBody, err error) {
	switch data := []byte(body[1:]); body[0] {
	case editedVersion:
		var e editedBody
		err = decoding.Unmarshal(data, &e)
		m, m.EditedAt = e.Message, e.At
	case loggedVersion:
		var l loggedBody
		if err = decoding.Unmarshal(data, &l); err == nil {
			m, m.Of, m.Author = l.Message, l.Of, l.Author
			m.Action, err = l.Action.action()
		}
	default:
		err = decoding.Unmarshal(data, &m)
	}
	if err != nil {
		return messageBody{}, err
	}
	if m.encode() != body {
		return messageBody{}, errNotDeterministic
	}
	return m, nil
}

// MessageRecord returns the record of a message. Its body is that of a Say with the message's text.
func MessageRecord(m *wire.Message) Record {
	body := messageBody{Text: m.Text, Re: m.Re, As: m.As, Options: m.Options, Edited: m.Edited, EditedAt: m.EditedAt, Gone: m.Gone, Tally: m.Tally, Tallied: m.Tallied, Of: m.Of, Action: m.Action}
	return Record{Room: m.Room, N: m.N, At: m.At, SenderID: m.SenderID, DisplayName: m.DisplayName, ID: m.ID, Kind: Say, Body: body.encode()}
}

func (k sayKind) records() recordKind { return k }

func (sayKind) checkBody(body string) error {
	_, err := decodeMessage(body)
	return err
}

func (sayKind) frameType() string { return wire.Message{}.Type() }

func (sayKind) appendFrame(dst []byte, r *Record) ([]byte, error) {
	body, err := readMessage(r.Body)
	if err != nil {
		return dst, err
	}
	m := body.of(r)
	return wire.AppendMessage(dst, &m), nil
}

// of returns the message of a row.
func (m *messageBody) of(r *Record) wire.Message {
	if len(m.Tally) == 0 {
		m.Tally = nil
	}
	return wire.Message{
		Room: r.Room, N: r.N, At: r.At, SenderID: r.SenderID, DisplayName: r.DisplayName, ID: r.ID,
		Text: m.Text, Re: m.Re, As: m.As, Options: m.Options, Edited: m.Edited, EditedAt: m.EditedAt, Gone: m.Gone, Tally: m.Tally, Tallied: m.Tallied,
		Of: m.Of, Action: m.Action,
	}
}

func (sayKind) appendLine(dst []byte, r *Record) ([]byte, bool, error) {
	body, err := readMessage(r.Body)
	if err != nil || body.Gone || body.Action != nil {
		return dst, false, err
	}
	m := wire.Message{DisplayName: r.DisplayName, Text: body.Text, Options: body.Options}
	return wire.AppendLine(dst, &m), true, nil
}

func (sayKind) message(r *Record) (wire.Message, bool, error) {
	body, err := decodeMessage(r.Body)
	if err != nil {
		return wire.Message{}, false, err
	}
	return body.of(r), true, nil
}

func (sayKind) searchText(r *Record) (string, error) {
	body, err := decodeMessage(r.Body)
	return body.Text, err
}
