package token

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"

	"github.com/golang-jwt/jwt/v5"
)

// algorithms are all algorithms of a token. Each belongs to one type of key.
var algorithms = slices.Concat(hmacAlgorithms, rsaAlgorithms, []string{"ES256", "ES384", "ES512", "EdDSA"})

var (
	hmacAlgorithms = []string{"HS256", "HS384", "HS512"}
	rsaAlgorithms  = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
)

const (
	minSecret  = 32   // bytes of a secret
	minRSA     = 2048 // bits of an RSA key
	maxRSA     = 8192 // bits; verifying with longer keys is slow
	maxKeyFile = 64 << 10
)

// key is a key of the issuer, with the algorithms that it may be used for.
type key struct {
	id         string
	algorithms []string
	verifies   jwt.VerificationKey
}

// newKey returns a key of a supported type and size.
func newKey(public any) (key, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSA || bits > maxRSA {
			return key{}, fmt.Errorf("an RSA key has %d bits, want %d to %d", bits, minRSA, maxRSA)
		}
		if k.E < 3 || k.E%2 == 0 {
			return key{}, fmt.Errorf("an RSA key has the exponent %d, want an odd one of at least 3", k.E)
		}
		return key{algorithms: rsaAlgorithms, verifies: k}, nil
	case *ecdsa.PublicKey:
		for algorithm, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
			if k.Curve == curve {
				return key{algorithms: []string{algorithm}, verifies: k}, nil
			}
		}
		return key{}, errors.New("an elliptic key has an unsupported curve, want P-256, P-384 or P-521")
	case ed25519.PublicKey:
		return key{algorithms: []string{"EdDSA"}, verifies: k}, nil
	}
	return key{}, fmt.Errorf("a key has the unsupported type %T, want RSA, ECDSA or Ed25519", public)
}

// A keySet is the keys of an issuer.
type keySet []key

// matching returns the keys for an algorithm. If id is not empty, only keys with that id match.
func (s keySet) matching(id, algorithm string) (found []jwt.VerificationKey) {
	for i := range s {
		if k := &s[i]; (id == "" || k.id == id) && slices.Contains(k.algorithms, algorithm) {
			found = append(found, k.verifies)
		}
	}
	return found
}

// single is the only key of an issuer. The kid of a token does not matter.
type single key

func (s single) find(_ context.Context, _, algorithm string) ([]jwt.VerificationKey, error) {
	return keySet{key(s)}.matching("", algorithm), nil
}

// readKeyFile reads a public key in PEM, or a secret. A file in PEM is never a secret.
func readKeyFile(path string) (single, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return single{}, err
	}
	fail := func(format string, args ...any) (single, error) {
		return single{}, fmt.Errorf("the key file %s %s", path, fmt.Sprintf(format, args...))
	}
	if len(b) > maxKeyFile {
		return fail("has %d bytes, at most %d are allowed", len(b), maxKeyFile)
	}
	if !bytes.Contains(b, []byte("-----BEGIN")) {
		secret := bytes.TrimRight(b, "\r\n")
		if len(secret) < minSecret {
			return fail("has a secret of %d bytes, want at least %d; openssl rand -hex 32 makes one", len(secret), minSecret)
		}
		return single{algorithms: hmacAlgorithms, verifies: secret}, nil
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return fail("is not valid PEM")
	}
	var public any
	switch block.Type {
	case "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = certificate.PublicKey
		}
	default:
		return fail("has a %s; want the PUBLIC KEY of the issuer, and keep private keys away from this server", block.Type)
	}
	if err != nil {
		return fail("has no valid public key: %v", err)
	}
	k, err := newKey(public)
	if err != nil {
		return fail("cannot be used: %v", err)
	}
	return single(k), nil
}

// jsonKey is a key of a key set (RFC 7517, RFC 7518, RFC 8037).
type jsonKey struct {
	Kty    string   `json:"kty"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Alg    string   `json:"alg"`
	Kid    string   `json:"kid"`
	Crv    string   `json:"crv"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
}

// parseKeySet parses a key set. Keys that are not for signatures, or of unknown types, are left out, as RFC 7517 says. A key that
// is meant for signatures and is wrong is an error: nothing of such a set is used.
func parseKeySet(b []byte) (keySet, error) {
	var from struct {
		Keys []jsonKey `json:"keys"`
	}
	if err := json.Unmarshal(b, &from); err != nil {
		return nil, fmt.Errorf("the key set is not valid JSON: %w", err)
	}
	if len(from.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys, at most %d are allowed", len(from.Keys), maxKeys)
	}
	var set keySet
	for i := range from.Keys {
		k := &from.Keys[i]
		if k.Use != "" && k.Use != "sig" || len(k.KeyOps) > 0 && !slices.Contains(k.KeyOps, "verify") || len(k.Kid) > maxKeyID {
			continue
		}
		public, err := k.public()
		if err == nil && public == nil {
			continue
		}
		var parsed key
		if err == nil {
			parsed, err = newKey(public)
		}
		if err != nil {
			return nil, fmt.Errorf("key %d of the key set: %w", i+1, err)
		}
		parsed.id = k.Kid
		if k.Alg != "" {
			if !slices.Contains(parsed.algorithms, k.Alg) {
				continue
			}
			parsed.algorithms = []string{k.Alg}
		}
		set = append(set, parsed)
	}
	if len(set) == 0 {
		return nil, errors.New("the key set has no public key for signatures of a supported type")
	}
	return set, nil
}

// public returns the public key, or nil if its type is not supported. Secrets (kty oct) are not.
func (k *jsonKey) public() (any, error) {
	switch k.Kty {
	case "RSA":
		n, err := decode("n", k.N)
		if err != nil {
			return nil, err
		}
		e, err := decode("e", k.E)
		if err != nil {
			return nil, err
		}
		if len(n) > maxRSA/8+1 || len(e) > 4 {
			return nil, errors.New("its numbers are too long")
		}
		return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
	case "EC":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Crv]
		if curve == nil {
			return nil, nil
		}
		return k.point(curve)
	case "OKP":
		if k.Crv != "Ed25519" {
			return nil, nil
		}
		x, err := coordinate("x", k.X, ed25519.PublicKeySize)
		return ed25519.PublicKey(x), err
	}
	return nil, nil
}

// point returns the key at a point, which must be on the curve.
func (k *jsonKey) point(curve elliptic.Curve) (any, error) {
	size := (curve.Params().BitSize + 7) / 8
	x, err := coordinate("x", k.X, size)
	if err != nil {
		return nil, err
	}
	y, err := coordinate("y", k.Y, size)
	if err != nil {
		return nil, err
	}
	return ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
}

func coordinate(name, s string, size int) ([]byte, error) {
	b, err := decode(name, s)
	if err == nil && len(b) != size {
		err = fmt.Errorf("its %s has %d bytes, want %d", name, len(b), size)
	}
	return b, err
}

// decode decodes a field in base64url.
func decode(name, s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("its %s is missing or not base64url", name)
	}
	return b, nil
}
