package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Keys that are fetched from an issuer.

// jwks is a server of a key set.
type jwks struct {
	*httptest.Server
	fetched atomic.Int64
	answer  atomic.Pointer[http.HandlerFunc]
}

func newJWKS(t *testing.T) *jwks {
	s := new(jwks)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetched.Add(1)
		(*s.answer.Load())(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *jwks) serve(h http.HandlerFunc) { s.answer.Store(&h) }

func (s *jwks) keys(keys ...string) {
	s.serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(keys, ",")) })
}

// jwkOf returns a public key as a member of a key set.
func jwkOf(t *testing.T, public crypto.PublicKey, id, more string) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	var fields string
	switch k := public.(type) {
	case *rsa.PublicKey:
		fields = fmt.Sprintf(`"kty":"RSA","n":%q,"e":"AQAB"`, b64(k.N.Bytes()))
	case *ecdsa.PublicKey:
		b, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		half := (len(b) - 1) / 2
		fields = fmt.Sprintf(`"kty":"EC","crv":%q,"x":%q,"y":%q`, k.Params().Name, b64(b[1:1+half]), b64(b[1+half:]))
	case ed25519.PublicKey:
		fields = fmt.Sprintf(`"kty":"OKP","crv":"Ed25519","x":%q`, b64(k))
	}
	return fmt.Sprintf(`{%s,"kid":%q%s}`, fields, id, more)
}

func remoteVerifier(t *testing.T, c *clock, from string) *Verifier {
	t.Helper()
	v, err := New(Config{Issuer: issuer, Audience: audience, JWKS: from, Now: c.now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		v.keys.(*remote).client.CloseIdleConnections()
		v.keys.(*remote).stop()
	})
	return v
}

// TestRotation: a token with a new key makes the set be read again, at most once a minute, and a key that is removed is not
// accepted any more.
func TestRotation(t *testing.T) {
	c, s := new(clock), newJWKS(t)
	one, two := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	s.keys(jwkOf(t, one.Public(), "1", `,"use":"sig","alg":"ES256"`))
	v := remoteVerifier(t, c, s.URL)
	with := func(k *ecdsa.PrivateKey, id string) error {
		_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodES256, k, good(jwt.MapClaims{"exp": start.Add(24 * time.Hour).Unix()}), map[string]any{"kid": id}))
		return err
	}
	if err := with(one, "1"); err != nil { // read when it is needed
		t.Fatal(err)
	}
	wants(t, with(two, "1"), "signature")
	for range 20 {
		wants(t, with(two, "2"), "no key of the issuer")
	}
	if n := s.fetched.Load(); n != 1 {
		t.Errorf("the set was read %d times within a minute, want once", n)
	}
	s.keys(jwkOf(t, two.Public(), "2", ""))
	c.advance(retryEvery)
	if err := with(two, "2"); err != nil {
		t.Error(err)
	}
	wants(t, with(one, "1"), "no key of the issuer")
	s.serve(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	c.advance(retryEvery)
	wants(t, with(one, "1"), "no key of the issuer")
	if err := with(two, "2"); err != nil {
		t.Errorf("after a failed fetch: %v", err)
	}
	if n := s.fetched.Load(); n != 3 {
		t.Errorf("the set was read %d times, want 3", n)
	}
}

// TestRun: the set is read without a token that needs it.
func TestRun(t *testing.T) {
	c, s := new(clock), newJWKS(t)
	read := make(chan struct{}, 1)
	s.serve(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[%s]}`, jwkOf(t, rsaKey().Public(), "1", ""))
		read <- struct{}{}
	})
	v := remoteVerifier(t, c, s.URL)
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.Run(t.Context())
	}()
	<-read
	t.Cleanup(func() { <-done })
}

// TestWithoutKeyID: a token without a kid is accepted if few keys are possible.
func TestWithoutKeyID(t *testing.T) {
	c, s := new(clock), newJWKS(t)
	var keys []string
	var last *ecdsa.PrivateKey
	for i := range maxTried {
		last = ecKey(t, elliptic.P256())
		keys = append(keys, jwkOf(t, last.Public(), fmt.Sprint(i), ""))
	}
	s.keys(append(keys, jwkOf(t, rsaKey().Public(), "rsa", ""))...)
	v := remoteVerifier(t, c, s.URL)
	tok := sign(t, jwt.SigningMethodES256, last, good(nil), nil)
	if _, err := v.Verify(t.Context(), tok); err != nil {
		t.Error(err)
	}
	s.keys(append(keys, keys[0])...)
	v = remoteVerifier(t, c, s.URL)
	_, err := v.Verify(t.Context(), tok)
	wants(t, err, "add the kid")
}

// TestHostileKeySets: a set that is wrong, or is not where it should be, changes nothing, and says to try again later.
func TestHostileKeySets(t *testing.T) {
	elsewhere := newJWKS(t)
	elsewhere.keys(jwkOf(t, rsaKey().Public(), "1", ""))
	small := `{"kty":"RSA","n":"` + base64.RawURLEncoding.EncodeToString(make([]byte, 128)) + `","e":"AQAB","kid":"1"}`
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	ok := jwkOf(t, rsaKey().Public(), "1", "")
	many, err := json.Marshal(map[string]any{"keys": make([]struct{}, maxKeys+1)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		serve http.HandlerFunc
	}{
		{"another origin", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }},
		{"another scheme", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}},
		{"a loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }},
		{"an error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }},
		{"no JSON", text("<html>")},
		{"another JSON", text(`[1,2]`)},
		{"no keys", text(`{"keys":[]}`)},
		{"too long", text(`{"keys":[` + ok + `]` + strings.Repeat(" ", maxKeySet) + `}`)},
		{"too many keys", text(string(many))},
		{"a small key", text(`{"keys":[` + small + `]}`)},
		{"a huge key", text(`{"keys":[{"kty":"RSA","n":"` + strings.Repeat("_", 4*maxRSA) + `","e":"AQAB","kid":"1"}]}`)},
		{"a point that is not on the curve", text(`{"keys":[{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 43) + `","y":"` + strings.Repeat("A", 43) + `","kid":"1"}]}`)},
		{"a short point", text(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"1"}]}`)},
		{"a secret", text(`{"keys":[{"kty":"oct","k":"` + base64.RawURLEncoding.EncodeToString([]byte(secret)) + `","kid":"1"}]}`)},
		{"a key for encryption", text(`{"keys":[` + jwkOf(t, rsaKey().Public(), "1", `,"use":"enc"`) + `]}`)},
		{"an algorithm of another key", text(`{"keys":[` + jwkOf(t, rsaKey().Public(), "1", `,"alg":"HS256"`) + `]}`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, s := new(clock), newJWKS(t)
			s.serve(test.serve)
			v := remoteVerifier(t, c, s.URL)
			for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS256, jwt.SigningMethodHS256} {
				var k any = rsaKey()
				if method == jwt.SigningMethodHS256 {
					k = []byte(secret)
				}
				_, err := v.Verify(t.Context(), sign(t, method, k, good(nil), map[string]any{"kid": "1"}))
				wants(t, err, "cannot be read now")
				if bad := (*Error)(nil); errors.As(err, &bad) && !bad.Later {
					t.Error("the error does not say to try again later")
				}
			}
			s.keys(ok) // repaired
			c.advance(retryEvery)
			if _, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodRS256, rsaKey(), good(nil), map[string]any{"kid": "1"})); err != nil {
				t.Error(err)
			}
		})
	}
	if n := elsewhere.fetched.Load(); n != 0 {
		t.Errorf("the set of another origin was read %d times", n)
	}
}

// TestKeySetWithOthers: keys of other types do not make a set useless.
func TestKeySetWithOthers(t *testing.T) {
	c, s := new(clock), newJWKS(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/keys", http.StatusFound) // the same origin
			return
		}
		fmt.Fprintf(w, `{"keys":[{"kty":"AKP","kid":"new"},{"kty":"EC","crv":"secp256k1","kid":"k"},{"kty":"OKP","crv":"X25519","kid":"x"},%s,%s]}`,
			jwkOf(t, rsaKey().Public(), "rsa", `,"alg":"RS256","key_ops":["verify"]`), jwkOf(t, ed.Public(), "ed", ""))
	})
	v := remoteVerifier(t, c, s.URL)
	for _, test := range []struct {
		method jwt.SigningMethod
		key    any
		id     string
		err    string
	}{
		{jwt.SigningMethodRS256, rsaKey(), "rsa", ""},
		{jwt.SigningMethodEdDSA, ed, "ed", ""},
		{jwt.SigningMethodPS256, rsaKey(), "rsa", "no key of the issuer"}, // the key is for RS256 only
		{jwt.SigningMethodEdDSA, ed, "rsa", "no key of the issuer"},
	} {
		_, err := v.Verify(t.Context(), sign(t, test.method, test.key, good(nil), map[string]any{"kid": test.id}))
		if test.err != "" {
			wants(t, err, test.err)
		} else if err != nil {
			t.Error(err)
		}
	}
}
