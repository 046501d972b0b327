package chat

import (
	"fmt"

	"ramai/internal/eventlog"
	"ramai/internal/names"
	"ramai/wire"
)

// NameRequest is the argument of ReserveName and ReleaseName.
type NameRequest struct {
	Name string // wanted; ReleaseName ignores it

	admitted bool // all checks have passed; only the queue was full
}

// ReserveName reserves a name for the actor's sender. Its results are those of Say.
func (s *Service) ReserveName(a *Actor, n *NameRequest, r Reply) error {
	name, err := names.Parse(n.Name)
	switch {
	case err != nil:
		return &wire.CodedError{Code: wire.BadRequest, Reason: err.Error()}
	case names.Reserved(name):
		return &wire.CodedError{
			Code:   wire.NameTaken,
			Reason: fmt.Sprintf("the name %q, or one that looks like it, is reserved for the server; choose another", name),
		}
	}
	if err := s.countName(a, n, s.cfg.Store.Name(a.sender()) == ""); err != nil {
		return err
	}
	return s.submit(eventlog.Command{
		Kind: eventlog.ReserveName, SenderID: a.sender(),
		Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name), Bound: a.NameBound},
	}, &r)
}

// ReleaseName releases the name of the actor's sender. Its results are those of Say.
func (s *Service) ReleaseName(a *Actor, n *NameRequest, r Reply) error {
	if err := s.countName(a, n, false); err != nil {
		return err
	}
	return s.submit(eventlog.Command{Kind: eventlog.ReleaseName, SenderID: a.sender()}, &r)
}

// countName counts a change of a name; holder means that one more sender will hold a name.
func (s *Service) countName(a *Actor, n *NameRequest, holder bool) error {
	if n.admitted {
		return nil
	}
	now := s.cfg.Now()
	wait := s.rates.Take(now, a.SenderID, a.Addr.Addr(), 1)
	if wait == 0 && holder {
		wait = s.rates.TakeHold(now, a.Addr.Addr())
	}
	if wait > 0 {
		return rateLimited(wait)
	}
	n.admitted = true
	return nil
}

// RenewName extends the lease of a sender's name that is not bound to a connection. If the queue is full, nothing happens.
func (s *Service) RenewName(sender string) {
	if name := s.cfg.Store.Name(sender); name != "" {
		_ = s.submit(eventlog.Command{Kind: eventlog.ReserveName, SenderID: sender, Body: eventlog.ReserveNameBody{Name: name, Key: names.Key(name)}}, new(Reply))
	}
}

// ReleaseBound frees a name that was bound to a connection of sender, which has ended. It retries until the queue has space.
// It may be called more than once.
func (s *Service) ReleaseBound(sender string) {
	_ = s.submit(eventlog.Command{Kind: eventlog.ReleaseName, SenderID: sender}, &Reply{Space: func() { s.ReleaseBound(sender) }})
}

// Name returns the name that a sender holds, or "".
func (s *Service) Name(sender string) string { return s.cfg.Store.Name(sender) }

// OwnsName reports whether a sender holds a name that is registered for it, or that it cannot register because it has the
// maximum number of names.
func (s *Service) OwnsName(sender string) bool {
	return s.cfg.Store.Name(sender) != "" && s.cfg.Store.CanRegister(sender) == ""
}

// RegisteredNames returns how many names are registered.
func (s *Service) RegisteredNames() int { return len(s.cfg.Store.RegisteredNames()) }
