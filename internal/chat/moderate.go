package chat

import (
	"fmt"
	"slices"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Selected is what a selection finds in a room.
type Selected struct {
	By     []string       // the senders, ascending
	From   uint64         // number of the oldest message; 1 if there is none
	To     uint64         // number up to which messages were looked at
	Count  int            // messages
	Sample []wire.Message // the newest ones, at most wire.PreviewSample, ascending
	Of     [][2]uint64    // their numbers, if the senders have others that were not selected; empty: all from From to To

	Held   []eventlog.HeldKey // messages of the selection that wait for a moderator
	HeldTo uint64             // number in the room of the moderators up to which these were looked at

	Kept      int // messages of the selection that are left out, see wire.Preview
	Addresses int // see wire.Preview
	Present   int
}

// recordsPerWork is how many records that are looked at are one unit of work.
const recordsPerWork = 256

// Select finds the messages that an erasure would erase, in the background, and calls done on another goroutine. If it returns
// an error, done is not called. m has the selection, and the numbers up to which it is looked at.
func (s *Service) Select(a *Actor, m *wire.Moderate, done func(Selected, error)) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), readCost); wait > 0 {
		return rateLimited(wait)
	}
	if err := s.mayModerate(a.sender(), m.Room); err != nil {
		return err
	}
	s.SelectAgain(a, m, done)
	return nil
}

// SelectAgain is Select for a selection that was already counted.
func (s *Service) SelectAgain(a *Actor, m *wire.Moderate, done func(Selected, error)) {
	room, selection, to, heldTo := m.Room, *m.Erase, m.To, m.HeldTo
	sender, addr := key(a.SenderID), a.Addr.Addr()
	reader := Actor{SenderID: a.SenderID, Addr: a.Addr}
	s.cfg.Hub.Go(addr, func() {
		if err := s.MayRead(&reader, room); err != nil {
			done(Selected{}, err)
			return
		}
		found, origins, looked, err := selectMessages(s.cfg.Store, room, &selection, to, heldTo, wire.TimeOf(s.cfg.Now()))
		if err == nil {
			s.countPresent(room, &found, origins)
		}
		s.rates.Worked(s.cfg.Now(), sender, addr, looked/recordsPerWork)
		if err != nil && Refusal(err) == nil {
			s.cfg.Logger.Error("cannot read the messages of a selection", "room", room, "err", err)
			err = s.Unreadable(room)
		}
		done(found, err)
	})
}

// mayModerate returns why a sender must not see previews of a room. What a moderator may erase is decided when the command is
// applied.
func (s *Service) mayModerate(senderID, room string) error {
	if role, _ := s.cfg.Store.Role(room, senderID, wire.TimeOf(s.cfg.Now())); role >= wire.RoleModerator {
		return nil
	}
	return &wire.CodedError{
		Code: wire.NotAllowed, Reason: fmt.Sprintf("only moderators of the room %s can erase messages of others", room),
		Rule: wire.RuleRole, Params: wire.Params{wire.ParamRole: wire.TextValue(wire.RoleModerator.String())},
	}
}

// add adds a message that was found. senders has the senders in By.
func (s *Selected) add(m *wire.Message, senders map[string]bool) {
	if s.Count++; s.Count == 1 {
		s.From = m.N
	}
	if !senders[m.SenderID] {
		senders[m.SenderID] = true
		i, _ := slices.BinarySearch(s.By, m.SenderID)
		s.By = slices.Insert(s.By, i, m.SenderID)
	}
	if len(s.Sample) == wire.PreviewSample {
		s.Sample = slices.Delete(s.Sample, 0, 1)
	}
	s.Sample = append(s.Sample, *m)
}

// Preview returns the answer to a request that selects messages.
func (s *Selected) Preview(m *wire.Moderate) wire.Preview {
	return wire.Preview{Room: m.Room, ID: m.ID, Count: s.Count, Senders: len(s.By), Sample: s.Sample, To: s.To, Held: len(s.Held), HeldTo: s.HeldTo, Kept: s.Kept, Addresses: s.Addresses, Present: s.Present}
}

// Erase erases the messages that a selection has found. It returns what Say returns.
func (s *Service) Erase(a *Actor, m *wire.Moderate, found *Selected, r Reply) error {
	return s.submit(eventlog.Command{Kind: eventlog.Erase, SenderID: a.sender(), Room: m.Room, ID: m.ID, Body: found.body(m.Erase)}, &r)
}

// body returns the body of the command that erases what was found.
func (s *Selected) body(selection *wire.Selection) eventlog.EraseBody {
	return eventlog.EraseBody{By: s.By, From: s.From, To: max(s.To, 1), Count: uint64(s.Count), Asked: selection.String(), Of: s.Of, Held: s.Held}
}

// Undo undoes an erasure. It counts as a message, and returns what Say returns.
func (s *Service) Undo(a *Actor, m *wire.Moderate, r Reply) error {
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return rateLimited(wait)
	}
	return s.submit(eventlog.Command{Kind: eventlog.Restore, SenderID: a.sender(), Room: m.Room, ID: m.ID, Body: eventlog.RestoreBody{Erasure: m.Undo}}, &r)
}
