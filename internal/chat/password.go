package chat

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"ramai/internal/fairqueue"
	"ramai/wire"
)

// passwordParams are the parameters of new hashes: 19 MiB of memory and two passes, as OWASP recommends.
var passwordParams = &argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Limits of the parameters of a stored hash, which may come from a folder that somebody else has written.
const (
	maxHashMemory     = 64 << 10 // KiB
	maxHashIterations = 10
	maxHashLength     = 64 // bytes of the salt, and of the key
)

// Limits of the work of hashing. One hash takes about 20 ms of a processor.
const (
	maxHashing = 2     // at the same time
	maxWaiting = 1_000 // for their turn
)

// noPassword is the hash of no password. A room without a password is compared with it, so that its answer takes as long as
// that of a room with one.
const noPassword = "$argon2id$v=19$m=19456,t=2,p=1$bm8gcGFzc3dvcmQgaGFzaA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// A hasher hashes passwords, and compares them with hashes. It bounds the memory and the processors that this takes: the
// addresses take turns, and one processor is left to everything else.
type hasher struct {
	run     func(addr netip.Prefix, f func()) // runs f when it is the turn of an address, without waiting for it
	waiting atomic.Int32                      // jobs that have not ended
}

func newHasher(run func(netip.Prefix, func())) *hasher {
	if run == nil {
		run = fairqueue.New(min(maxHashing, max(1, runtime.GOMAXPROCS(0)-1))).Go
	}
	return &hasher{run: run}
}

// start runs f in turn. It returns an error, and does not run f, if too many jobs wait.
func (h *hasher) start(addr netip.Addr, f func()) error {
	if h.waiting.Add(1) > maxWaiting {
		h.waiting.Add(-1)
		return &wire.CodedError{Code: wire.Unavailable, Reason: "too many passwords are being checked; try again in a moment", RetryAfter: time.Second}
	}
	h.run(Network(addr), func() {
		defer h.waiting.Add(-1)
		f()
	})
	return nil
}

// normalizePassword returns a password in the form in which it is hashed, so that every keyboard types the same one.
func normalizePassword(s string) (string, error) {
	s = norm.NFC.String(strings.TrimSpace(s))
	if bad := wire.CheckPassword(s); bad != nil {
		return "", bad
	}
	return s, nil
}

// hashPassword returns the hash of a password.
func hashPassword(password string) (string, error) {
	return argon2id.CreateHash(password, passwordParams)
}

// matchesPassword reports whether a hash is that of a password.
func matchesPassword(password, hash string) (bool, error) {
	switch p, _, _, err := argon2id.DecodeHash(hash); {
	case err != nil:
		return false, err
	case p.Memory > maxHashMemory || p.Iterations < 1 || p.Iterations > maxHashIterations || p.Parallelism < 1 || p.SaltLength > maxHashLength || p.KeyLength < 16 || p.KeyLength > maxHashLength:
		return false, fmt.Errorf("a hash with the parameters m=%d, t=%d, p=%d, a salt of %d and a key of %d bytes, which are out of range", p.Memory, p.Iterations, p.Parallelism, p.SaltLength, p.KeyLength)
	}
	return argon2id.ComparePasswordAndHash(password, hash)
}

// HashPassword replaces the password in a setting by its hash in the background, and then calls done, once, on any goroutine. If it
// returns an error, done is not called. See [Setting.HasPassword].
func (s *Service) HashPassword(a *Actor, set *Setting, done func(error)) error {
	password, err := normalizePassword(*set.Value.Text)
	if err != nil {
		return err
	}
	if wait := s.rates.Take(s.cfg.Now(), a.SenderID, a.Addr.Addr(), hashCost); wait > 0 {
		return rateLimited(wait)
	}
	return s.hasher.start(a.Addr.Addr(), func() {
		hash, err := hashPassword(password)
		if err != nil {
			s.cfg.Logger.Error("cannot hash a password", "err", err)
			done(&wire.CodedError{Code: wire.Internal, Reason: "the server has no source of randomness"})
			return
		}
		set.Value, set.hashed = wire.TextValue(hash), true
		done(nil)
	})
}

// HasPassword reports whether a setting has a password, which HashPassword has to replace before Set.
func (set *Setting) HasPassword() bool {
	return set.Key == wire.PasswordKey && set.Value.Text != nil && !set.hashed
}

// hash replaces the password in a setting of the operator by its hash.
func (set *Setting) hash() error {
	if !set.HasPassword() {
		return nil
	}
	password, err := normalizePassword(*set.Value.Text)
	if err != nil {
		return err
	}
	hash, err := hashPassword(password)
	if err == nil {
		set.Value, set.hashed = wire.TextValue(hash), true
	}
	return err
}

// hashCost is what hashing a new password costs of a sender's rate, in messages.
const hashCost = 2

// hidePassword replaces the hash of a password in settings that are about to be shown.
func hidePassword(settings []wire.Setting) {
	for i := range settings {
		if settings[i].Key == wire.PasswordKey {
			settings[i].Value = wire.TextValue(wire.PasswordSet)
		}
	}
}

// passwordOf returns the hash of a room's password, or "".
func (s *Service) passwordOf(room string) string {
	settings, _, _ := s.cfg.Store.Settings(room, wire.PasswordKey, "", 1)
	if len(settings) == 0 {
		return ""
	}
	p := &settings[0]
	if p.Key != wire.PasswordKey || p.Value.Text == nil || p.Until != 0 && p.Until <= wire.TimeOf(s.cfg.Now()) {
		return ""
	}
	return *p.Value.Text
}
