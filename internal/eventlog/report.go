package eventlog

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ramai/wire"
)

// ReportBody is the body of a Report, with which somebody who can read a room reports a message to its moderators, or one of a
// moderator to its owners.
//
// The command needs no id: a sender reports a message once, and repeating that is a Repeat.
type ReportBody struct {
	_    struct{} `cbor:",toarray"`
	Of   uint64
	Text string // may be empty
}

func (ReportBody) kind() Kind { return Report }

// Limits of reports.
const (
	MaxReports   = 10        // of a sender in a room
	ReportWindow = time.Hour // within this time
)

// reportLife is how long a report is remembered, so that it is not repeated.
const reportLife = wire.Time(wire.IDLife / time.Millisecond)

type reportKind struct {
	onDemand
	withBody[ReportBody]
	noRecords
}

func (reportKind) name() string { return "report" }

func (reportKind) check(c *Command) error {
	body, err := bodyOf[ReportBody](c)
	if err != nil {
		return err
	}
	if body.Of == 0 {
		return errors.New("a report command is of the message 0; messages are numbered from 1")
	}
	if err := checkString(Report, "text", body.Text, wire.MaxReport, false); err != nil {
		return err
	}
	return checkHead(c, hasSender|hasRoom|hasID)
}

// A reportEntry is the value of an entry in Reports: of a sender, when it last reported, and of a sender and a message, when that was
// reported.
type reportEntry struct {
	_     struct{} `cbor:",toarray"`
	Times []int64  // ascending, at most MaxReports
}

// reportOver reports whether an entry of Reports has no effect any more.
func reportOver(e *Entry, at wire.Time) (bool, error) {
	if strings.HasPrefix(e.Key, dayKey) {
		d, err := decodeEntry[dayEntry](e)
		return err == nil && wire.Time(d.From)+day <= at, err
	}
	r, err := decodeEntry[reportEntry](e)
	if err != nil || len(r.Times) == 0 {
		return err == nil, err
	}
	life := reportLife
	if !strings.Contains(e.Key, "\x00") {
		life = wire.Time(ReportWindow.Milliseconds())
	}
	return wire.Time(r.Times[len(r.Times)-1])+life <= at, nil
}

func (reportKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[ReportBody](o.Command)
	if err != nil {
		return err
	}
	cmd := o.Command
	refused := refusedInBase(cmd.Room)
	if refused == nil && cmd.SenderID == anonymousSender {
		refused = &wire.CodedError{Code: wire.NotAllowed, Reason: "messages can only be reported with a session; connect with one"}
	}
	if refused == nil {
		refused, err = c.permit(tx, cmd, actReport, false)
	}
	if refused != nil || err != nil {
		o.refuseWith(refused)
		return err
	}
	key := fmt.Sprintf("%s\x00%d", cmd.SenderID, body.Of)
	if _, again, err := tx.Entry(Reports, cmd.Room, key); err != nil || again {
		o.Status = Repeat
		return err
	}
	row, message, refused, err := c.message(tx, cmd.Room, body.Of)
	if err != nil {
		return err
	}
	if refused == nil && (row.N == 0 || message.Gone) {
		refused = &wire.CodedError{Code: wire.Gone, Reason: fmt.Sprintf("message %d was deleted", body.Of)}
	}
	var recent reportEntry
	if refused == nil {
		recent, refused, err = c.recentReports(tx, cmd)
	}
	if refused == nil && err == nil {
		refused, err = c.countReport(tx, cmd)
	}
	if refused != nil || err != nil {
		o.refuseWith(refused)
		return err
	}
	recent.Times = append(recent.Times, int64(c.at))
	if err := errors.Join(c.putReport(tx, cmd.Room, cmd.SenderID, recent), c.putReport(tx, cmd.Room, key, reportEntry{Times: []int64{int64(c.at)}})); err != nil {
		return err
	}
	to := wire.ModeratorsRoom(cmd.Room)
	if c.rank(cmd.Room, row.SenderID) >= moderatorRank {
		to = wire.OwnersRoom(cmd.Room)
	}
	c.derive(Command{
		Kind: AppendLog, SenderID: cmd.SenderID, Room: to, ID: c.derivedID(),
		Body: &logBody{message: messageBody{As: wire.ReportMessage, Of: body.Of, Text: body.Text, Author: row.SenderID}, name: c.nameOf(cmd.SenderID)},
	})
	return nil
}

func (c *Delta) putReport(tx Tx, room, key string, r reportEntry) error {
	return tx.PutEntry(&Entry{Table: Reports, Room: room, Key: key, Value: string(must(encoding.Marshal(r)))})
}

// recentReports returns when the sender of a command has reported within ReportWindow, or refuses another report.
func (c *Delta) recentReports(tx Tx, cmd *Command) (recent reportEntry, refused *wire.CodedError, err error) {
	value, found, err := tx.Entry(Reports, cmd.Room, cmd.SenderID)
	if err != nil || !found {
		return recent, nil, err
	}
	all, err := decodeEntry[reportEntry](&Entry{Table: Reports, Room: cmd.Room, Key: cmd.SenderID, Value: value})
	if err != nil {
		return recent, nil, err
	}
	window := wire.Time(ReportWindow.Milliseconds())
	for _, at := range all.Times {
		if wire.Time(at)+window > c.at && wire.Time(at) <= c.at {
			recent.Times = append(recent.Times, at)
		}
	}
	if len(recent.Times) >= MaxReports {
		until := wire.Time(recent.Times[0]) + window
		return recent, &wire.CodedError{
			Code: wire.NotAllowed, Rule: wire.RuleReports, Until: until, Params: wire.Params{wire.ParamSeconds: wire.NumberValue(uint64(ReportWindow / time.Second))},
			Reason: fmt.Sprintf("you have reported %d messages of this room within an hour, which is the maximum; try again at %v", MaxReports, until),
		}, nil
	}
	return recent, nil, nil
}
