package eventlog_test

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// exampleRecords returns a record of each kind that adds some. testdata/records.txt shows each in all its forms.
func exampleRecords() []eventlog.Record {
	message := func(text string) eventlog.Record {
		return eventlog.MessageRecord(&wire.Message{Room: "lobby", N: 7, At: 1_790_000_000_123, SenderID: "0123456789abcdef", DisplayName: "Anna", ID: "a1", Text: text})
	}
	row := func(m wire.Message) eventlog.Record {
		m.Room, m.N, m.At, m.SenderID, m.DisplayName, m.ID = "lobby", 7, 1_790_000_000_123, "0123456789abcdef", "Anna", "a1"
		return eventlog.MessageRecord(&m)
	}
	change := func(body string) eventlog.Record {
		return eventlog.Record{Room: "lobby", N: 9, At: 1_790_000_000_123, SenderID: "0123456789abcdef", DisplayName: "Anna", ID: "a2", Kind: eventlog.Change, Body: body}
	}
	set := func(body string) eventlog.Record {
		return eventlog.Record{Room: "lobby", N: 9, At: 1_790_000_000_123, SenderID: "0123456789abcdef", DisplayName: "Anna", ID: "a2", Kind: eventlog.Set, Body: body}
	}
	tally := func(body string) eventlog.Record {
		return eventlog.Record{Room: "lobby", N: 10, At: 1_790_000_000_123, Kind: eventlog.Tally, Body: body}
	}
	erased := func(kind eventlog.Kind, body string) eventlog.Record {
		return eventlog.Record{Room: "lobby", N: 12, At: 1_790_000_000_123, SenderID: "0123456789abcdef", DisplayName: "Anna", ID: "a2", Kind: kind, Body: body}
	}
	return []eventlog.Record{
		message("Selamat pagi, dünya\n"), message(""),
		row(wire.Message{Text: "a reply", Re: 3}), row(wire.Message{Text: "edited", Re: 3, Edited: 8}), row(wire.Message{Edited: 8, Gone: true}),
		change("\x01\x82\x07\x63new"), change("\x01\x82\x07\xf6"), change("\x01\x82\x00\xf6"),
		row(wire.Message{Text: "why?", As: wire.Question}), row(wire.Message{Text: "Tea?", As: wire.Poll, Options: []string{"yes", "no"}}), row(wire.Message{Text: "Fire drill", Re: 3, As: wire.Notice, Edited: 8}),
		set("\x01\x82\x65topic\x63Tea"), set("\x01\x82\x63pin\x82\x03\x05"), set("\x01\x82\x65stage\x07"), set("\x01\x82\x65stage\xf6"), set("\x01\x82\x66poll/7\x66closed"),
		tally("\x01\x82\x82\x07\xa2\x62up\x01\x64👍\x19\x03\xe8\x82\x09\xa0"), row(wire.Message{Text: "liked", Tally: wire.Counts{"👍": 3, "up": 1}, Tallied: 10}), row(wire.Message{Text: "not any more", Tally: wire.Counts{}, Tallied: 11}),
		{Room: "lobby", N: 9, At: 1_790_000_000_123, SenderID: "0123456789abcdef", DisplayName: "Anna", Kind: eventlog.Redeem, Body: "\x01\x82\x75role/0123456789abcdef\x65guest"},
		erased(eventlog.Erase, "\x01\x83\x00\x701123456789abcdef\x81\x82\x07\x09"), erased(eventlog.Erase, "\x01\x83\x00\x60\xf6"), erased(eventlog.EraseStep, "\x01\x83\x0b\x60\x82\x82\x07\x07\x82\x09\x0a"),
		erased(eventlog.Restore, "\x01\x83\x0b\x60\xf6"), erased(eventlog.RestoreStep, "\x01\x83\x0b\x60\x81\x82\x07\x07"),
		{Room: "lobby", N: 12, At: 1_790_000_000_123, Kind: eventlog.Forget, Body: "\x01\x83\x00\x60\x82\x82\x07\x07\x82\x09\x0a"},
	}
}

// forms describes the forms of a record.
func forms(t *testing.T, r *eventlog.Record) string {
	t.Helper()
	if err := r.Check(); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	frame, err := r.AppendFrame(nil)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	line, shown, err := r.AppendLine(nil)
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	plain := "hidden"
	if shown {
		plain = fmt.Sprintf("%q", line)
	}
	m, isMessage, err := r.Message()
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	page := "not a message"
	if isMessage {
		page = fmt.Sprintf("%q", m.Text)
		if m.Re != 0 || m.Edited != 0 || m.Gone {
			page += fmt.Sprintf(" re %d edited %d gone %v", m.Re, m.Edited, m.Gone)
		}
		if m.As != "" {
			page += fmt.Sprintf(" as %s %q", m.As, m.Options)
		}
	}
	text, err := r.SearchText()
	if err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	return fmt.Sprintf("kind %d (%v)\nbody %x\nframe %s\nplain %s\npage %s\nsearch %q\n", r.Kind, r.Kind, r.Body, frame, plain, page, text)
}

// TestRecordsAreStable: the encoding of a stored body does not change, nor do the bytes that clients receive.
func TestRecordsAreStable(t *testing.T) {
	const file = "testdata/records.txt"
	var got []string
	for _, r := range exampleRecords() {
		got = append(got, forms(t, &r))
	}
	golden, err := os.ReadFile(file)
	if text := strings.Join(got, "\n"); err != nil || string(golden) != text {
		t.Errorf("the records are\n%s\nwant those of %s (%v)", text, file, err)
	}
}

// TestEveryKindOfRecord: every kind that adds records has an example, and its frame counts for clients that do not know the
// type.
func TestEveryKindOfRecord(t *testing.T) {
	examples := map[eventlog.Kind]bool{}
	for _, r := range exampleRecords() {
		examples[r.Kind] = true
		frame, err := r.AppendFrame(nil)
		if err != nil {
			t.Fatal(err)
		}
		var fields struct {
			Type string `json:"type"`
			Room string `json:"room"`
			N    uint64 `json:"n"`
		}
		if err := wire.ParseJSON(frame, &fields); err != nil || fields.Type != r.FrameType() || fields.Room != r.Room || fields.N != r.N {
			t.Errorf("the frame of a record of the kind %v, type %q, has %+v: %v", r.Kind, r.FrameType(), fields, err)
		}
	}
	for _, kind := range eventlog.Current.Kinds() {
		// A kind without records says so; the error of a kind with records is neither an unknown kind nor "adds no
		// records".
		err := (&eventlog.Record{Kind: kind}).Check()
		if adds := err == nil || !strings.Contains(err.Error(), "adds no records"); adds != examples[kind] {
			t.Errorf("the kind %v adds records: %v; it has an example: %v", kind, adds, examples[kind])
		}
	}
}

// TestDecidedRecords: Decide adds no record of a kind that cannot be decoded.
func TestDecidedRecords(t *testing.T) {
	for _, c := range examples() {
		var s eventlog.State
		(&eventlog.Snapshot{Bounds: map[string]eventlog.Bounds{"lobby": {First: 1, Last: 600}, "den": {First: 1, Last: 3}}, Pending: map[string]int{"lobby": 1}, Limits: eventlog.Limits{EditWindow: time.Minute}, Level: eventlog.Current.Level()}).LoadInto(&s)
		tx := recordsTx{rows: &rows{}}
		_, outcomes, err := eventlog.Decide(&s, &tx, &eventlog.Batch{At: 1, Commands: []eventlog.Command{c}}, 1)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		stored := tx.records
		for i := range outcomes {
			o := &outcomes[i]
			if !o.HasRecord() {
				continue
			}
			if len(stored) == 0 {
				t.Fatalf("%v: an outcome has the record %+v, which was not stored", c.Kind, o.Record())
			}
			r := &stored[0]
			if err := r.Check(); err != nil || *r != o.Record() || r.Kind != c.Kind && i == 0 {
				t.Errorf("%v stores %+v (%v), the outcome has %+v", c.Kind, r, err, o.Record())
			}
			stored = stored[1:]
		}
		if len(stored) > 0 {
			t.Errorf("%v: no outcome has the records %+v", c.Kind, stored)
		}
	}
}

// recordsTx keeps the records.
type recordsTx struct {
	*rows
	records []eventlog.Record
}

func (r *recordsTx) PutRecord(record *eventlog.Record) error {
	r.records = append(r.records, *record)
	return nil
}

func (*recordsTx) PutID(_ uint64, _ eventlog.IDKey, e eventlog.IDEntry) (eventlog.IDEntry, bool, error) {
	return e, false, nil
}
func (*recordsTx) ID(uint64, eventlog.IDKey) (eventlog.IDEntry, bool, error) {
	return eventlog.IDEntry{}, false, nil
}
func (*recordsTx) Marks(string, uint64, string) ([]string, error)    { return nil, nil }
func (*recordsTx) PutMark(string, uint64, string, string) error      { return nil }
func (*recordsTx) Counts(string, uint64) (wire.Counts, error)        { return wire.Counts{"up": 2}, nil }
func (*recordsTx) PutCount(string, uint64, string, uint64) error     { return nil }
func (*recordsTx) Pending(string, uint64, int) ([]uint64, error)     { return []uint64{600}, nil }
func (*recordsTx) PutPending(string, uint64) (bool, error)           { return true, nil }
func (*recordsTx) DeletePending(string, uint64, uint64) (int, error) { return 1, nil }
func (*recordsTx) PutTallyTime(string, eventlog.TallyTime) error     { return nil }
func (*recordsTx) DropMarks(string, uint64, uint64) error            { return nil }
func (*recordsTx) DeleteDroppedMarks() error                         { return nil }
func (*recordsTx) EraseIDSum(uint64, eventlog.IDKey) error           { return nil }
func (*recordsTx) ReplaceRecord(*eventlog.Record) error              { return nil }
func (*recordsTx) Record(room string, n uint64) (eventlog.Record, error) {
	return eventlog.MessageRecord(&wire.Message{Room: room, N: n, SenderID: "0123456789abcdef", ID: "1", Text: "x"}), nil
}
func (*recordsTx) PutSpan(string, eventlog.Span, uint64) error              { return nil }
func (*recordsTx) PutEpoch(eventlog.Epoch, uint64) error                    { return nil }
func (*recordsTx) PutNode(string, eventlog.NodeState) error                 { return nil }
func (*recordsTx) PutLevel(uint64) error                                    { return nil }
func (*recordsTx) PutLimits(eventlog.Limits) error                          { return nil }
func (*recordsTx) PutIDGeneration(eventlog.IDGeneration) error              { return nil }
func (*recordsTx) PutRegistration(eventlog.NameRegistration) error          { return nil }
func (*recordsTx) DeleteRegistration(string) error                          { return nil }
func (*recordsTx) DeleteIDs(uint64) error                                   { return nil }
func (*recordsTx) DeleteRecords(string, uint64, uint64) error               { return nil }
func (*recordsTx) DeleteRoom(string, eventlog.RemovedSlot, uint64) error    { return nil }
func (*recordsTx) PutSetting(string, eventlog.Setting) error                { return nil }
func (*recordsTx) DeleteSetting(string, string) error                       { return nil }
func (*recordsTx) OldestID(uint64, string, string) (wire.Time, bool, error) { return 0, false, nil }
func (*recordsTx) Entry(eventlog.Table, string, string) (string, bool, error) {
	return "", false, nil
}
func (*recordsTx) Entries(eventlog.Table, string, string, string, int) ([]eventlog.Entry, error) {
	return nil, nil
}
func (*recordsTx) PutEntry(*eventlog.Entry) error                   { return nil }
func (*recordsTx) DeleteEntry(eventlog.Table, string, string) error { return nil }

// TestDamagedBodies: a body that is not in the encoding of its kind is an error, and changes nothing. Frames and lines are
// only made of records that Check accepts, so their methods need to detect only an unknown version or kind.
func TestDamagedBodies(t *testing.T) {
	good := exampleRecords()[0]
	for name, c := range map[string]struct {
		kind   eventlog.Kind
		body   string
		reason string
		text   bool // only the text is wrong
	}{
		"no body":               {eventlog.Say, "", "is empty", false},
		"a version":             {eventlog.Say, "\x09x", "unknown version", false},
		"another encoding":      {eventlog.Say, "\x02\x88\x61x\x00\x60\xf6\x00\xf4\xf6\x00", "not in the deterministic encoding", false}, // a text alone has version 1
		"an edit at no time":    {eventlog.Say, "\x03\x82\x00\x88\x61x\x00\x60\xf6\x01\xf4\xf6\x00", "not in the deterministic encoding", false},
		"a long edit":           {eventlog.Say, "\x02\x88\x7a\x00\x04\x00\x01" + strings.Repeat("x", 1<<18+1) + "\x01\x60\xf6\x00\xf4\xf6\x00", "at most 262144", true},
		"a version of a change": {eventlog.Change, "\x02\x82\x07\xf6", "unknown version", false},
		"a change of nothing":   {eventlog.Change, "\x01\x82\x00\x61x", "a superseded change has a text", false},
		"a change with more":    {eventlog.Change, "\x01\x83\x07\x61x\x00", "", false},
		"a tally's version":     {eventlog.Tally, "\x02\x80", "unknown version", false},
		"a tally out of order":  {eventlog.Tally, "\x01\x82\x82\x07\xa0\x82\x07\xa0", "message 7 after message 7", false},
		"a tally of nothing":    {eventlog.Tally, "\x01\x81\x82\x07\xa1\x62up\x00", "the count 0", false},
		"a tally of no key":     {eventlog.Tally, "\x01\x81\x82\x07\xa1\x60\x01", "no key", false},
		"a tally of null":       {eventlog.Tally, "\x01\x81\x82\x07\xf6", "deterministic", false},
		"not UTF-8":             {eventlog.Say, "\x01\xff", "not UTF-8", true},
		"an unknown form":       {eventlog.Say, "\x02\x88\x61x\x00\x64song\xf6\x00\xf4\xf6\x00", "unknown \"song\"", true},
		"options of a text":     {eventlog.Say, "\x02\x88\x61x\x00\x60\x82\x61a\x61b\x00\xf4\xf6\x00", "plain message", true},
		"a version of a set":    {eventlog.Set, "\x02\x82\x65topic\x63Tea", "unknown version", false},
		"a set of nothing":      {eventlog.Set, "\x01\x82\x60\xf6", "unknown key", false},
		"another value":         {eventlog.Set, "\x01\x82\x65topic\x07", "the value of topic", false},
		"a value of no kind":    {eventlog.Set, "\x01\x82\x65topic\xf5", "not in the deterministic encoding", false},
		"a longer number":       {eventlog.Set, "\x01\x82\x65stage\x18\x07", "not in the deterministic encoding", false},
		"long":                  {eventlog.Say, "\x01" + strings.Repeat("x", 1<<18+1), "at most 262144", true},
		"no records":            {eventlog.Trim, good.Body, "adds no records", false},
		"a kind":                {200, good.Body, "unknown kind 200", false},
		"no kind at all":        {0, good.Body, "unknown kind 0", false},
	} {
		r := good
		r.Kind, r.Body = c.kind, c.body
		frame, err1 := r.AppendFrame([]byte("x"))
		line, shown, err2 := r.AppendLine([]byte("y"))
		_, isMessage, err3 := r.Message()
		text, err4 := r.SearchText()
		errs := []error{r.Check(), err3, err4}
		if !c.text {
			errs = append(errs, err1, err2)
		} else {
			frame, line, shown = []byte("x"), []byte("y"), false
		}
		for i, err := range errs {
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("%s: method %d returns %v, want %q", name, i, err, c.reason)
			}
		}
		if string(frame) != "x" || string(line) != "y" || shown || isMessage || text != "" {
			t.Errorf("%s: %q, %q (%v), message %v, text %.40q", name, frame, line, shown, isMessage, text)
		}
	}
}

// FuzzRecord: a body that passes Check has all forms, and they are the same each time.
func FuzzRecord(f *testing.F) {
	for _, r := range exampleRecords() {
		f.Add(uint8(r.Kind), r.Body)
	}
	f.Add(uint8(eventlog.Say), "\x01\xff")
	f.Add(uint8(eventlog.Trim), "\x01x")
	f.Fuzz(func(t *testing.T, kind uint8, body string) {
		r := eventlog.Record{Room: "lobby", N: 7, At: 1000, SenderID: "anna", ID: "1", Kind: eventlog.Kind(kind), Body: body}
		if r.Check() != nil {
			if m, _, err := r.Message(); err == nil {
				t.Fatalf("a body that Check rejects is the message %+v", m)
			}
			return
		}
		once, again := forms(t, &r), forms(t, &r)
		if once != again {
			t.Fatalf("%s\nand then\n%s", once, again)
		}
		frame, _ := r.AppendFrame(nil)
		parsed, err := wire.ParseFrame(frame)
		if err != nil || bytes.ContainsAny(frame, "\n\r") {
			t.Fatalf("the frame is %s: %v", frame, err)
		}
		if m, is, _ := r.Message(); is && !reflect.DeepEqual(parsed, wire.Frame(m)) {
			t.Fatalf("the frame is %+v, the message %+v", parsed, m)
		}
	})
}
