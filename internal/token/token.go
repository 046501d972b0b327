// Package token verifies JSON Web Tokens (RFC 7519) that another site has issued for its users.
//
// A [Verifier] has the keys of one issuer: from a file, or from the issuer's key set (JWKS, RFC 7517). The algorithm of a token
// must be one of its key, so a public key is never used as the secret of an HMAC. The package knows nothing about senders.
package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// Limits of a token.
const (
	MaxToken   = 8 << 10          // bytes
	maxSubject = 256              // bytes of a subject
	maxKeyID   = 256              // bytes of a key's id
	maxTried   = 4                // keys that are tried for a token without the id of a key
	leeway     = 30 * time.Second // of all times: the clocks of two machines differ
)

// Config configures a Verifier.
type Config struct {
	Issuer   string           // required: the iss of every token
	Audience string           // required: one of the aud of every token
	KeyFile  string           // a public key in PEM, or a secret of at least 32 bytes
	JWKS     string           // instead of KeyFile: URL of a key set; https, or http on this machine
	Now      func() time.Time // required
	Logger   *slog.Logger     // required
}

// Claims are what a verified token says about its subject.
type Claims struct {
	Issuer, Subject string
	Name            string    // empty: none
	Room, Role      string    // a role in a room; the verifier checks neither. Both empty: none
	Issued          time.Time // the zero time: unknown
	Expires         time.Time
}

// An Error is the reason why a token is not accepted. It is for the client, and has nothing of the token's signature.
type Error struct {
	Reason string
	Later  bool // the keys cannot be read now; the same token may be accepted later
}

// Error implements error.
func (e *Error) Error() string { return e.Reason }

func invalid(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	cfg    Config
	keys   keySource
	parser *jwt.Parser
}

// A keySource has the keys of the issuer.
type keySource interface {
	// find returns the keys that may have signed a token with an algorithm and the id of a key, or "".
	find(ctx context.Context, id, algorithm string) ([]jwt.VerificationKey, error)
}

// New reads the key file, if there is one. The key set is read by Run, and when it is needed.
func New(cfg Config) (*Verifier, error) {
	switch {
	case cfg.Issuer == "" || cfg.Audience == "":
		return nil, errors.New("tokens need an issuer and an audience, so that a token for another service is not accepted here")
	case (cfg.KeyFile == "") == (cfg.JWKS == ""):
		return nil, errors.New("tokens need either a key file or the URL of a key set")
	}
	v := &Verifier{cfg: cfg}
	var err error
	if cfg.JWKS != "" {
		v.keys, err = newRemote(cfg.JWKS, cfg.Now, cfg.Logger)
	} else {
		v.keys, err = readKeyFile(cfg.KeyFile)
	}
	if err != nil {
		return nil, err
	}
	v.parser = jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway), jwt.WithTimeFunc(cfg.Now), jwt.WithStrictDecoding())
	return v, nil
}

// Run keeps the key set up to date until ctx ends. With a key file it returns at once.
func (v *Verifier) Run(ctx context.Context) {
	if r, ok := v.keys.(*remote); ok {
		r.run(ctx)
	}
}

// LooksLike reports whether a string has the form of a token, and not that of a session.
func LooksLike(s string) bool { return strings.Count(s, ".") == 2 }

// claims are the claims of a token.
type claims struct {
	jwt.RegisteredClaims
	Name string `json:"name"`
	Room string `json:"room"`
	Role string `json:"role"`
}

// Verify returns what a token says, or an *Error. It may wait for the key set.
func (v *Verifier) Verify(ctx context.Context, token string) (Claims, error) {
	if len(token) > MaxToken {
		return Claims{}, invalid("the token has %d bytes; at most %d are allowed", len(token), MaxToken)
	}
	var c claims
	var noKey error
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		keys, err := v.keysOf(ctx, t)
		noKey = err
		return jwt.VerificationKeySet{Keys: keys}, err
	})
	switch {
	case noKey != nil:
		return Claims{}, noKey
	case err != nil:
		return Claims{}, v.describe(err, &c)
	}
	if bad := checkSubject(c.Subject); bad != nil {
		return Claims{}, bad
	}
	if (c.Room == "") != (c.Role == "") {
		return Claims{}, invalid("the token has a room without a role, or a role without a room; a role is for the room that the token names")
	}
	out := Claims{Issuer: c.Issuer, Subject: c.Subject, Name: c.Name, Room: c.Room, Role: c.Role, Expires: c.ExpiresAt.Time}
	if c.IssuedAt != nil {
		out.Issued = c.IssuedAt.Time
	}
	return out, nil
}

// keysOf returns the keys that may have signed a token.
func (v *Verifier) keysOf(ctx context.Context, t *jwt.Token) ([]jwt.VerificationKey, error) {
	if _, critical := t.Header["crit"]; critical { // RFC 7515, section 4.1.11: what is critical must be understood
		return nil, invalid("the token has critical header fields, which are not supported")
	}
	id := ""
	if value, has := t.Header["kid"]; has {
		var ok bool
		if id, ok = value.(string); !ok || len(id) > maxKeyID {
			return nil, invalid("the kid of the token is not a string of at most %d bytes", maxKeyID)
		}
	}
	algorithm := t.Method.Alg()
	keys, err := v.keys.find(ctx, id, algorithm)
	switch {
	case err != nil:
		return nil, err
	case len(keys) == 0:
		return nil, invalid("no key of the issuer has the id %.40q and the algorithm %s of the token", id, algorithm)
	case len(keys) > maxTried:
		return nil, invalid("the token has no kid, and the issuer has %d keys for %s; add the kid", len(keys), algorithm)
	}
	return keys, nil
}

// describe returns the reason for which the parser rejects a token.
func (v *Verifier) describe(err error, c *claims) error {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("the token is not a JWT: three parts of base64url, separated by dots")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalid("the algorithm of the token is not supported; use one of %s", strings.Join(algorithms, ", "))
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalid("the signature of the token is not valid for the issuer's key; its algorithm must be one of %s", strings.Join(algorithms, ", "))
	case errors.Is(err, jwt.ErrTokenExpired):
		return invalid("the token has expired at %s; get a new one", c.ExpiresAt.UTC().Format(time.RFC3339))
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("the token needs the claims iss, aud, sub and exp")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return invalid("the issuer of the token is %.100q; this server accepts %q", c.Issuer, v.cfg.Issuer)
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return invalid("the audience of the token is %.100q; this server accepts %q", []string(c.Audience), v.cfg.Audience)
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return invalid("the token is not valid yet; the clocks of its issuer and of this server differ by more than %v", leeway)
	}
	return invalid("the claims of the token are not valid")
}

// checkSubject checks the subject of a token.
func checkSubject(s string) error {
	switch {
	case s == "":
		return invalid("the token has no sub, which says whose it is")
	case len(s) > maxSubject || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return invalid("the sub of the token must be text of at most %d bytes without control characters", maxSubject)
	}
	return nil
}
