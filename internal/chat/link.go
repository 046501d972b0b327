package chat

import (
	"context"
	"net/netip"
	"time"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Limits of the codes that link a second device.
const (
	codeLife    = 5 * time.Minute
	linkTime    = 5 * time.Second // for a confirmed code to be stored
	maxCodes    = 10_000          // that wait at a time
	codeTries   = 5               // wrong codes of a sender in codeLife
	codeTriesAt = 60              // wrong codes of an address in codeLife
)

// linkCodes are the codes of devices that wait to be linked, in the memory of this node.
type linkCodes struct {
	waiting map[string]*linkRequest
	wrong   map[wrongCodes]*tries
}

// linkRequest is a device that waits to be linked.
type linkRequest struct {
	name     string
	senderID string // of the device so far
	until    time.Time
	shownTo  string              // the sender to which the name of the device was shown
	linked   func(SignedIn) bool // gives the device its session; false: the device is gone
}

// wrongCodes identifies who has tried codes: a sender or an address.
type wrongCodes struct {
	senderID string
	network  netip.Prefix
}

type tries struct {
	count int
	until time.Time
}

// NewLink returns a code for the device of an actor. linked is called, on any goroutine, when a device of a sender has confirmed the
// code; it returns false if the device is gone. cancel forgets the code.
func (s *Service) NewLink(a *Actor, who Identity, name string, linked func(SignedIn) bool) (code string, life time.Duration, cancel func(), err error) {
	if known, err := s.known(a.sender()); err != nil {
		return "", 0, nil, err
	} else if known || who.Proved {
		return "", 0, nil, &wire.CodedError{
			Code: wire.NotAllowed, Reason: "this device has proved an identity, and senders with an identity are not merged; sign out here first",
		}
	}
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), 1); wait > 0 {
		return "", 0, nil, rateLimited(wait)
	}
	if code, err = wire.NewLinkCode(s.cfg.Random); err != nil {
		s.cfg.Logger.Error("cannot read randomness", "err", err)
		return "", 0, nil, &wire.CodedError{Code: wire.Internal, Reason: "the server has no source of randomness"}
	}
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	now, links := s.cfg.Now(), &s.identities.links
	links.sweep(now)
	if len(links.waiting) >= maxCodes || links.waiting[code] != nil {
		return "", 0, nil, &wire.CodedError{Code: wire.Unavailable, Reason: "too many devices wait to be linked; try again later", RetryAfter: time.Minute}
	}
	request := &linkRequest{name: name, senderID: a.sender(), until: now.Add(codeLife), linked: linked}
	links.waiting[code] = request
	return code, codeLife, func() {
		s.identities.mu.Lock()
		defer s.identities.mu.Unlock()
		if links.waiting[code] == request {
			delete(links.waiting, code)
		}
	}, nil
}

// ShowLink returns the name of the device that has shown a code, for a device of a sender.
func (s *Service) ShowLink(a *Actor, code string) (name string, err error) {
	request, err := s.linkRequest(a, code)
	if err != nil {
		return "", err
	}
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	request.shownTo = a.SenderID
	return request.name, nil
}

// ConfirmLink gives the device that has shown a code a session of the actor's sender. It calls done, on another goroutine, with the name
// of the device.
func (s *Service) ConfirmLink(a *Actor, code string, done func(name string, err error)) {
	s.run(a.Addr.Addr(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), linkTime)
		defer cancel()
		done(s.confirmLink(ctx, a, code))
	})
}

func (s *Service) confirmLink(ctx context.Context, a *Actor, code string) (name string, err error) {
	request, err := s.linkRequest(a, code)
	if err != nil {
		return "", err
	}
	s.identities.mu.Lock()
	shown := request.shownTo == a.SenderID
	if shown { // it is used up
		delete(s.identities.links.waiting, code)
	}
	s.identities.mu.Unlock()
	if !shown {
		return "", &wire.CodedError{Code: wire.BadRequest, Reason: "send the code without confirm first, and let the user compare the name of the device"}
	}
	secret, err := s.NewID()
	if err != nil {
		return "", err
	}
	d := eventlog.SessionDigest(secret)
	o, err := Await(ctx, func(reply Reply) error {
		return s.submit(eventlog.Command{Kind: eventlog.SignIn, SenderID: a.SenderID, Body: eventlog.SignInBody{
			Session: d, From: eventlog.DerivedDigest(request.senderID),
		}}, &reply)
	})
	switch {
	case err != nil:
		return "", err
	case o.Status == eventlog.Refused:
		return "", o.Err
	}
	known, err := s.known(a.SenderID)
	if err != nil {
		return "", err
	}
	if !request.linked(SignedIn{Identity{SenderID: a.SenderID, Known: known, Session: &d}, secret}) {
		_ = s.submit(eventlog.Command{Kind: eventlog.SignOut, SenderID: a.SenderID, Body: eventlog.SignOutBody{Session: d}}, new(Reply))
		return "", &wire.CodedError{Code: wire.NotAllowed, Reason: "the other device is no longer connected; show a new code there"}
	}
	return request.name, nil
}

// linkRequest returns the request with a code. Wrong codes are limited, by sender and by address.
func (s *Service) linkRequest(a *Actor, code string) (*linkRequest, error) {
	if a.SenderID == "" {
		return nil, &wire.CodedError{Code: wire.NotAllowed, Reason: "a device without a session cannot link another one; connect with a session"}
	}
	s.identities.mu.Lock()
	defer s.identities.mu.Unlock()
	now, links := s.cfg.Now(), &s.identities.links
	links.sweep(now)
	byAll := [...]struct {
		who  wrongCodes
		most int
	}{{wrongCodes{senderID: a.SenderID}, codeTries}, {wrongCodes{network: Network(a.Addr.Addr())}, codeTriesAt}}
	for _, by := range byAll {
		if t := links.wrong[by.who]; t != nil && t.count >= by.most {
			return nil, &wire.CodedError{Code: wire.RateLimited, Reason: "too many wrong codes; try again later", RetryAfter: t.until.Sub(now)}
		}
	}
	if request := links.waiting[code]; request != nil && request.senderID != a.SenderID {
		return request, nil
	}
	for _, by := range byAll {
		if links.wrong[by.who] == nil {
			links.wrong[by.who] = &tries{until: now.Add(codeLife)}
		}
		links.wrong[by.who].count++
	}
	return nil, &wire.CodedError{Code: wire.BadRequest, Reason: "no other device shows this code now; a code is valid for five minutes"}
}

// sweep forgets what is over. identities.mu is held.
func (l *linkCodes) sweep(now time.Time) {
	for code, request := range l.waiting {
		if !now.Before(request.until) {
			delete(l.waiting, code)
		}
	}
	for by, t := range l.wrong {
		if !now.Before(t.until) {
			delete(l.wrong, by)
		}
	}
}
