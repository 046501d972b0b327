package jetstream

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// MinSecret is the length of the shortest cluster secret, in bytes.
const MinSecret = 32

// A Secret is what the members of a cluster share. Everything that protects the connections between them and the batches that
// they exchange is derived from it, so there are no certificates to manage.
type Secret struct{ key []byte }

// NewSecret returns the secret with the content of a file, which should be random: at least MinSecret bytes.
func NewSecret(content []byte) (*Secret, error) {
	if len(content) < MinSecret {
		return nil, fmt.Errorf("the cluster secret has %d bytes; it must have at least %d, for example those of: head -c 32 /dev/urandom | base64", len(content), MinSecret)
	}
	key, err := hkdf.Extract(sha256.New, content, []byte("ramai cluster secret"))
	if err != nil {
		return nil, err
	}
	return &Secret{key}, nil
}

// derive returns a key of 32 bytes for a purpose (RFC 5869).
func (s *Secret) derive(purpose string) []byte {
	key, err := hkdf.Expand(sha256.New, s.key, purpose, 32)
	if err != nil {
		panic(err) // only for a length that HKDF cannot expand to
	}
	return key
}

// mac returns the code by which the members of the cluster recognise their messages in a history.
func (s *Secret) mac(historyID string, version byte, content []byte) []byte {
	h := hmac.New(sha256.New, s.derive("batches of "+historyID))
	h.Write([]byte{version})
	h.Write(content)
	return h.Sum(nil)
}

const (
	caName     = "ramai cluster"
	memberName = "member.ramai"
)

// tlsConfig returns the configuration of the connections between members. Each member derives the same authority from the
// secret, and issues a certificate to itself at its start. Both sides require one, so nobody connects without the secret.
func (s *Secret) tlsConfig(now time.Time) (*tls.Config, error) {
	authority := ed25519.NewKeyFromSeed(s.derive("authority of members"))
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: caName}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), // the secret itself does not expire
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, authority.Public(), authority)
	if err != nil {
		return nil, fmt.Errorf("derive the authority of the cluster: %w", err)
	}
	if root, err = x509.ParseCertificate(rootDER); err != nil {
		return nil, fmt.Errorf("derive the authority of the cluster: %w", err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: memberName}, DNSNames: []string{memberName},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, // the clocks of members may differ
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, public, authority)
	if err != nil {
		return nil, fmt.Errorf("issue the certificate of this member: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
		ServerName: memberName, // whatever address a member has
	}, nil
}

// An envelope is a message of the stream: the version, the code of its content, and the content.
const (
	envelopeVersion = 1
	envelopeHead    = 1 + sha256.Size
)

var (
	errNotOurs         = errors.New("not a message of this cluster")
	errEnvelopeVersion = errors.New("a message between members has an unknown version")
)

// seal puts content into an envelope.
func (s *Secret) seal(historyID string, content []byte) []byte {
	b := make([]byte, 0, envelopeHead+len(content))
	b = append(b, envelopeVersion)
	b = append(b, s.mac(historyID, envelopeVersion, content)...)
	return append(b, content...)
}

// open returns the content of an envelope that a member of the cluster has sealed.
func (s *Secret) open(historyID string, b []byte) ([]byte, error) {
	if len(b) < envelopeHead {
		return nil, errNotOurs
	}
	content := b[envelopeHead:]
	switch {
	case !hmac.Equal(b[1:envelopeHead], s.mac(historyID, b[0], content)):
		return nil, errNotOurs
	case b[0] != envelopeVersion:
		return nil, fmt.Errorf("%w: %d, this version of ramai knows %d", errEnvelopeVersion, b[0], envelopeVersion)
	}
	return content, nil
}
