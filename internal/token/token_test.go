package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"maps"
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
