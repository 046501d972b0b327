// Package chat implements everything a client can do, whatever its transport: one method of [Service] per verb.
//
// The Service is the only path from a transport to the log. It applies the rules that are the same for everyone: the form
// of texts and names, rates, the number of rooms, and who may create one. A transport translates: it reads requests, calls
// the Service for its [Actor], and writes results and errors in its protocol.
package chat

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"ramai/internal/eventlog"
	"ramai/internal/fairqueue"
	"ramai/internal/room"
	"ramai/internal/store/search"
	"ramai/internal/token"
	"ramai/wire"
)

// Config configures a Service.
type Config struct {
	Hub    *room.Hub
	Store  eventlog.Store // read only: commands go through Submit
	Submit func(s eventlog.Submission, space func()) error
	Search func(context.Context, search.Query) (*wire.SearchResponse, *wire.CodedError)
	Rates  RateLimits
	Limits wire.Limits
	Shared bool // other nodes write to the same history, and may be ahead of this one
	Now    func() time.Time
	Random io.Reader // for ids; safe for concurrent use
	Logger *slog.Logger
	Log    *ClientLog      // logs texts; nil: nothing is logged
	Tokens *token.Verifier // nil: tokens are not accepted

	// IsProxy reports whether an address is that of a trusted proxy, which says nothing about a client. nil: none is.
	IsProxy func(netip.Addr) bool

	// Hash runs jobs that hash passwords, a few at a time, by address in turn. It does not wait for them. nil: a default.
	Hash func(addr netip.Prefix, job func())
}

// Service carries out the requests of actors. Its methods may be called from any goroutine; an Actor belongs to one at a
// time.
type Service struct {
	cfg        Config
	rates      *Rates
	guesses    *guesses
	hasher     *hasher
	identities identities
	jobs       sync.WaitGroup // of signIns and undoing
	signIns    *fairqueue.Queue
	undoing    undoing
	catchUp    catchUp
}

// New returns a Service. LoadSessions must be called before it is used.
func New(cfg Config) *Service {
	return &Service{
		cfg: cfg, rates: NewRates(cfg.Rates), guesses: newGuesses(), hasher: newHasher(cfg.Hash), identities: newIdentities(), signIns: fairqueue.New(maxSignIns),
		undoing: newUndoing(),
	}
}

// Protocol is what a client speaks with the server.
type Protocol uint8

// The protocols.
const (
	Plain  Protocol = iota // WebSocket, where every text is a message
	V1                     // WebSocket with the subprotocol ramai.v1
	Events                 // an HTTP response of server-sent events
	Lines                  // an HTTP response of JSON lines
	SSH                    // ramai.v1, from a client in this process that serves an SSH session
	HTTP                   // a request of the HTTP API
)

// Protocols are all protocols whose clients stay connected.
var Protocols = []Protocol{Plain, V1, Events, Lines, SSH}

// String returns the name of t in logs and metrics.
func (t Protocol) String() string {
	switch t {
	case Plain:
		return "plain"
	case V1:
		return "v1"
	case Events:
		return "events"
	case Lines:
		return "lines"
	case SSH:
		return "ssh"
	case HTTP:
		return "http"
	}
	return "unknown"
}

// Actor is the origin of a request, as far as the Service needs to know.
type Actor struct {
	SenderID  string // empty: an anonymous client, which shares its sender with all others
	Addr      netip.AddrPort
	Protocol  Protocol
	HasKey    bool // the sender has proved a cryptographic key: names it posts under are registered
	NameBound bool // the name ends with the connection

	origins  origins   // of Addr; see Service.originsOf
	paidKey  string    // the last name key whose registration was counted; it may not be stored yet
	typingAt time.Time // when typing was last forwarded
}

// anonymous is the sender of clients without a session.
var anonymous = wire.SenderIDOf("")

// sender returns the sender of the actor's commands.
func (a *Actor) sender() string {
	if a.SenderID == "" {
		return anonymous
	}
	return a.SenderID
}

// NameChanged tells the Service that the sender's name has changed other than by this actor.
func (a *Actor) NameChanged() { a.paidKey = "" }

// Reply is the destination of a command's outcome. The zero value discards it.
type Reply struct {
	To    *eventlog.ReplyTo
	Fence uint64 // see eventlog.ReplyTo
	Ref   string // the client's reference for its request

	// Space is called once after a method has returned eventlog.ErrBusy, when the queue has space. It may be nil.
	Space func()
}

// submit submits a command that has passed all checks.
func (s *Service) submit(c eventlog.Command, r *Reply) error {
	return s.cfg.Submit(eventlog.Submission{Command: c, ReplyTo: r.To, Fence: r.Fence, Ref: r.Ref}, r.Space)
}

// rateLimited returns the refusal of a request that is allowed after wait.
func rateLimited(wait time.Duration) error {
	return &wire.CodedError{Code: wire.RateLimited, Reason: "too fast; wait, then try again", RetryAfter: max(wait, time.Millisecond)}
}

// Wait returns how long to wait before a method that returned err is called again, or 0 if waiting does not help.
func Wait(err error) time.Duration {
	if refused := Refusal(err); refused != nil && refused.Code == wire.RateLimited {
		return refused.RetryAfter
	}
	return 0
}

// Refusal returns err if it is a refusal, otherwise nil. It does not allocate.
func Refusal(err error) *wire.CodedError {
	refused, _ := err.(*wire.CodedError)
	return refused
}

// Await calls submit, which must submit one command with the Reply it receives, and waits for the outcome. If ctx ends
// first, or the outcome is lost, it is unknown whether the command will be stored, and the error is ErrUnknown.
func Await(ctx context.Context, submit func(Reply) error) (*eventlog.Outcome, error) {
	to, decided := eventlog.ReplyOnce()
	err := submit(Reply{Fence: 1, To: to})
	switch {
	case errors.Is(err, eventlog.ErrBusy), errors.Is(err, eventlog.ErrClosed):
		return nil, errUnavailable
	case err != nil:
		return nil, err
	}
	o, err := outcomeOf(ctx, decided)
	if err != nil {
		return nil, ErrUnknown
	}
	return o, nil
}

// outcomeOf waits for an outcome. The error is that of ctx if it ends first, or ErrUnknown if the outcome is lost.
func outcomeOf(ctx context.Context, decided <-chan *eventlog.Outcome) (*eventlog.Outcome, error) {
	select {
	case o, known := <-decided:
		if !known {
			return nil, ErrUnknown
		}
		return o, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ErrUnknown is returned by Await if the outcome of a command does not arrive in time.
var ErrUnknown = &wire.CodedError{
	Code: wire.Unavailable, RetryAfter: time.Second,
	Reason: "the server cannot write to its disk now, and it is unknown whether this will be stored; send the same again",
}

var errUnavailable = &wire.CodedError{
	Code: wire.Unavailable, RetryAfter: time.Second, Reason: "the server is busy or stopping; nothing was stored; try again",
}

// decide implements Operator.Decide.
func (s *Service) decide(ctx context.Context, c eventlog.Command) (*eventlog.Outcome, error) {
	to, decided := eventlog.ReplyOnce()
	if err := s.submit(c, &Reply{To: to}); err != nil {
		return nil, err
	}
	return outcomeOf(ctx, decided)
}

// Limits returns the limits that clients are told.
func (s *Service) Limits() wire.Limits { return s.cfg.Limits }

// NewID returns 128 bits of randomness: an id, or the secret of a session.
func (s *Service) NewID() (string, error) {
	id, err := wire.NewSession(s.cfg.Random)
	if err != nil {
		s.cfg.Logger.Error("cannot read randomness", "err", err)
		return "", &wire.CodedError{Code: wire.Internal, Reason: "the server has no source of randomness"}
	}
	return id, nil
}

// Epoch returns the newest epoch. If it is called after a message was read, it is that of the message or a later one.
func (s *Service) Epoch() eventlog.Epoch { return s.cfg.Store.Epoch() }

// Position returns number n of a room in the present history and epoch.
func (s *Service) Position(n uint64) wire.Position {
	return wire.Position{HistoryID: s.cfg.Store.HistoryID(), Epoch: s.cfg.Store.Epoch().Name, N: n}
}

// Work counts units of work that a client is about to cause, or returns how long not to read from it. A unit is a frame or
// a KiB.
func (s *Service) Work(sender [wire.SenderIDLen]byte, addr netip.Addr, units int) time.Duration {
	return s.rates.Work(s.cfg.Now(), sender, addr, units)
}

// Worked counts units of work that are already done, and returns how long not to read from the client.
func (s *Service) Worked(sender [wire.SenderIDLen]byte, addr netip.Addr, units int) time.Duration {
	return s.rates.Worked(s.cfg.Now(), sender, addr, units)
}
