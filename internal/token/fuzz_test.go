package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// signedBySecret reports whether the last part of a token is the HMAC of the others, by a computation of its own.
func signedBySecret(token string) bool {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return false
	}
	sum, err := base64.RawURLEncoding.DecodeString(token[i+1:])
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token[:i]))
	return hmac.Equal(mac.Sum(nil), sum)
}

// FuzzVerify looks for a token that is accepted and was not signed, and for claims without a subject. Half of the inputs are
// signed, so that their claims are looked at.
func FuzzVerify(f *testing.F) {
	f.Add(`{"alg":"HS256"}`, `{"iss":"`+issuer+`","aud":"`+audience+`","sub":"anna","exp":1796115600}`, "", true)
	f.Add(`{"alg":"none"}`, `{"iss":"`+issuer+`","aud":"`+audience+`","sub":"anna","exp":1796115600}`, "", false)
	f.Add(`{"alg":"HS256","kid":"x","crit":["b64"]}`, `{"aud":["a","`+audience+`"],"exp":1e999,"room":"tea"}`, "AAAA", true)
	f.Fuzz(func(t *testing.T, header, claims, signature string, sign bool) {
		v, err := verifier(t, new(clock), []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		token := b64([]byte(header)) + "." + b64([]byte(claims))
		if sign {
			sum, err := jwt.SigningMethodHS256.Sign(token, []byte(secret))
			if err != nil {
				t.Fatal(err)
			}
			signature = b64(sum)
		}
		token += "." + signature
		switch got, err := v.Verify(t.Context(), token); {
		case err != nil && !errors.As(err, new(*Error)):
			t.Errorf("the error of %q is a %T: %v", token, err, err)
		case err == nil && (!signedBySecret(token) || got.Subject == "" || got.Issuer != issuer || !got.Expires.After(start.Add(-leeway))):
			t.Errorf("the token of %q and %q is accepted: %+v", header, claims, got)
		}
	})
}

// FuzzKeySet looks for a key set that is accepted without a usable key.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + strings.Repeat("A", 43) + `"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","alg":"RS256","use":"sig"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := parseKeySet(b)
		if (err == nil) != (len(set) > 0) {
			t.Fatalf("%d keys, %v", len(set), err)
		}
		for _, k := range set {
			if len(k.algorithms) == 0 {
				t.Errorf("a key without an algorithm in %q", b)
			}
			for _, a := range k.algorithms {
				if strings.HasPrefix(a, "HS") || a == "none" {
					t.Errorf("a public key for %s in %q", a, b)
				}
			}
		}
	})
}
