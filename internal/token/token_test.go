package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	issuer   = "https://school.example"
	audience = "chat"
	secret   = "0123456789abcdef0123456789abcdef"
)

var start = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

// clock is a clock that a test sets.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return start.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// good returns claims that are accepted, with changes; nil deletes a claim.
func good(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": "anna", "iat": start.Unix(), "exp": start.Add(time.Hour).Unix()}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, header map[string]any) string {
	t.Helper()
	tok := jwt.NewWithClaims(method, claims)
	maps.Copy(tok.Header, header)
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verifier returns a verifier with a key file of the given content.
func verifier(t *testing.T, c *clock, file []byte) (*Verifier, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return New(Config{Issuer: issuer, Audience: audience, KeyFile: path, Now: c.now, Logger: slog.New(slog.DiscardHandler)})
}

func publicPEM(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, minRSA)
	if err != nil {
		panic(err)
	}
	return k
})

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wants(t *testing.T, err error, text string) {
	t.Helper()
	var bad *Error
	if !errors.As(err, &bad) || !strings.Contains(bad.Reason, text) {
		t.Errorf("the error is %v, want an *Error with %q", err, text)
	}
}

// TestClaims: a good token is accepted, and each claim that is wrong is a reason to refuse it.
func TestClaims(t *testing.T) {
	c := new(clock)
	v, err := verifier(t, c, []byte(secret+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		changes jwt.MapClaims
		err     string // empty: accepted
	}{
		{"good", nil, ""},
		{"several audiences", jwt.MapClaims{"aud": []string{"wiki", audience}}, ""},
		{"expired within the leeway", jwt.MapClaims{"exp": start.Add(-29 * time.Second).Unix()}, ""},
		{"valid soon, within the leeway", jwt.MapClaims{"nbf": start.Add(29 * time.Second).Unix()}, ""},
		{"no iat", jwt.MapClaims{"iat": nil}, ""},
		{"expired", jwt.MapClaims{"exp": start.Add(-31 * time.Second).Unix()}, "has expired at 2026-12-01T07:59:29Z"},
		{"no exp", jwt.MapClaims{"exp": nil}, "needs the claims"},
		{"not valid yet", jwt.MapClaims{"nbf": start.Add(31 * time.Second).Unix()}, "not valid yet"},
		{"issued in the future", jwt.MapClaims{"iat": start.Add(31 * time.Second).Unix()}, "not valid yet"},
		{"another issuer", jwt.MapClaims{"iss": issuer + "/"}, `this server accepts "https://school.example"`},
		{"no issuer", jwt.MapClaims{"iss": nil}, "needs the claims"},
		{"another audience", jwt.MapClaims{"aud": "wiki"}, `this server accepts "chat"`},
		{"no audience", jwt.MapClaims{"aud": nil}, "needs the claims"},
		{"no subject", jwt.MapClaims{"sub": nil}, "has no sub"},
		{"a long subject", jwt.MapClaims{"sub": strings.Repeat("a", maxSubject+1)}, "at most 256 bytes"},
		{"a control character", jwt.MapClaims{"sub": "anna\x00"}, "control characters"},
		{"a room without a role", jwt.MapClaims{"room": "math"}, "a room without a role"},
		{"a role without a room", jwt.MapClaims{"role": "moderator"}, "a role without a room"},
		{"a subject that is no text", jwt.MapClaims{"sub": 7}, "not a JWT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, []byte(secret), good(test.changes), nil))
			switch {
			case test.err != "":
				wants(t, err, test.err)
			case err != nil:
				t.Error(err)
			case got.Issuer != issuer || got.Subject != "anna":
				t.Errorf("the claims are %+v", got)
			}
		})
	}
	all := good(jwt.MapClaims{"name": "Anna", "room": "math", "role": "moderator"})
	got, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS512, []byte(secret), all, nil))
	want := Claims{Issuer: issuer, Subject: "anna", Name: "Anna", Room: "math", Role: "moderator", Issued: got.Issued, Expires: got.Expires}
	if err != nil || got != want || !got.Issued.Equal(start) || !got.Expires.Equal(start.Add(time.Hour)) {
		t.Errorf("the claims are %+v, %v", got, err)
	}
}

// TestForm: what is not a token, or has a header that must not be accepted, is refused, and no error has the token in it.
func TestForm(t *testing.T) {
	c := new(clock)
	v, err := verifier(t, c, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	valid := sign(t, jwt.SigningMethodHS256, []byte(secret), good(nil), nil)
	parts := strings.Split(valid, ".")
	header := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, test := range []struct{ name, token, err string }{
		{"empty", "", "not a JWT"},
		{"no token", "no.token.here", "not a JWT"},
		{"two parts", parts[0] + "." + parts[1], "not a JWT"},
		{"padded", valid + "==", "not a JWT"},
		{"too long", valid + strings.Repeat("A", MaxToken), "at most 8192"},
		{"no signature", parts[0] + "." + parts[1] + ".", "signature"},
		{"another signature", parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), "signature"},
		{"other claims", parts[0] + "." + header(`{"iss":"`+issuer+`","aud":"chat","sub":"root","exp":9999999999}`) + "." + parts[2], "signature"},
		{"none", header(`{"alg":"none","typ":"JWT"}`) + "." + parts[1] + ".", "algorithm"},
		{"None", header(`{"alg":"None"}`) + "." + parts[1] + ".", "algorithm"},
		{"no algorithm", header(`{"typ":"JWT"}`) + "." + parts[1] + "." + parts[2], "algorithm"},
		{"critical fields", sign(t, jwt.SigningMethodHS256, []byte(secret), good(nil), map[string]any{"crit": []string{"x"}, "x": 1}), "critical"},
		{"a kid that is no string", sign(t, jwt.SigningMethodHS256, []byte(secret), good(nil), map[string]any{"kid": 1}), "kid"},
		{"a long kid", sign(t, jwt.SigningMethodHS256, []byte(secret), good(nil), map[string]any{"kid": strings.Repeat("k", maxKeyID+1)}), "kid"},
		{"another secret", sign(t, jwt.SigningMethodHS256, []byte(secret[1:]+"x"), good(nil), nil), "signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), test.token)
			wants(t, err, test.err)
			if err != nil && len(parts[2]) > 0 && strings.Contains(err.Error(), parts[2]) {
				t.Errorf("the error has the signature: %v", err)
			}
		})
	}
}

// TestAlgorithmsBelongToKeys: each key verifies its own algorithms, and no other.
func TestAlgorithmsBelongToKeys(t *testing.T) {
	c := new(clock)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signers := map[string]any{"HS256": []byte(secret), "RS256": rsaKey(), "PS512": rsaKey(), "EdDSA": ed}
	public := map[string][]byte{"HS256": []byte(secret), "RS256": publicPEM(t, rsaKey().Public()), "EdDSA": publicPEM(t, ed.Public())}
	public["PS512"] = public["RS256"]
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		k := ecKey(t, curve)
		signers[name], public[name] = k, publicPEM(t, k.Public())
	}
	for of, file := range public {
		v, err := verifier(t, c, file)
		if err != nil {
			t.Fatal(of, err)
		}
		for name, signer := range signers {
			_, err := v.Verify(t.Context(), sign(t, jwt.GetSigningMethod(name), signer, good(nil), nil))
			if want := name == of || string(public[name]) == string(file); (err == nil) != want {
				t.Errorf("a token with %s, and the key for %s: %v", name, of, err)
			}
		}
		if of == "HS256" {
			continue
		}
		for _, confused := range [][]byte{file, []byte(strings.TrimSpace(string(file)))} { // the public key as the secret of an HMAC
			_, err := v.Verify(t.Context(), sign(t, jwt.SigningMethodHS256, confused, good(nil), nil))
			wants(t, err, "no key of the issuer")
		}
	}
}

// TestKeyFiles: a key file with anything but one good key is refused with a reason.
func TestKeyFiles(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Skip(err) // GODEBUG rsa1024min
	}
	private, err := x509.MarshalPKCS8PrivateKey(rsaKey())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		file []byte
		err  string
	}{
		{"empty", nil, "secret of 0 bytes"},
		{"a short secret", []byte(secret[1:]), "secret of 31 bytes"},
		{"a private key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), "private keys away"},
		{"a small RSA key", publicPEM(t, small.Public()), "1024 bits"},
		{"P-224", publicPEM(t, ecKey(t, elliptic.P224()).Public()), "unsupported curve"},
		{"broken PEM", []byte("-----BEGIN PUBLIC KEY-----\nAAAA"), "not valid PEM"},
		{"no key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "no valid public key"},
		{"too long", []byte(strings.Repeat("A", maxKeyFile+1)), "at most 65536"},
	} {
		if _, err := verifier(t, new(clock), test.file); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.name, err, test.err)
		}
	}
	if _, err := New(Config{Issuer: issuer, Audience: audience, KeyFile: filepath.Join(t.TempDir(), "missing")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestConfig: issuer, audience and exactly one source of keys are required, and a key set needs an encrypted connection.
func TestConfig(t *testing.T) {
	for _, test := range []struct {
		cfg Config
		err string
	}{
		{Config{Audience: audience, KeyFile: "k"}, "an issuer and an audience"},
		{Config{Issuer: issuer, KeyFile: "k"}, "an issuer and an audience"},
		{Config{Issuer: issuer, Audience: audience}, "either"},
		{Config{Issuer: issuer, Audience: audience, KeyFile: "k", JWKS: "https://a.example/k"}, "either"},
		{Config{Issuer: issuer, Audience: audience, JWKS: "http://a.example/k"}, "not https"},
		{Config{Issuer: issuer, Audience: audience, JWKS: "ftp://localhost/k"}, "not https"},
		{Config{Issuer: issuer, Audience: audience, JWKS: "/k"}, "want https://HOST/PATH"},
		{Config{Issuer: issuer, Audience: audience, JWKS: "https://u:p@a.example/k"}, "want https://HOST/PATH"},
	} {
		if _, err := New(test.cfg); err == nil || !strings.Contains(err.Error(), test.err) {
			t.Errorf("%+v: %v, want %q", test.cfg, err, test.err)
		}
	}
}

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
