package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxKeys      = 64        // keys of a key set
	maxKeySet    = 256 << 10 // bytes of a key set
	fetchTimeout = 10 * time.Second
	refreshEvery = 15 * time.Minute // the key set is read again
	retryEvery   = time.Minute      // at most one fetch: after a failure, and for unknown keys
	maxRedirects = 3
)

// remote is the key set of an issuer, read over HTTP. A set that was read stays in use while it cannot be read again.
type remote struct {
	url    *url.URL
	now    func() time.Time
	logger *slog.Logger
	client *http.Client
	ctx    context.Context // ends with run
	stop   context.CancelFunc

	mu       sync.Mutex
	keys     keySet        // guarded by mu: nil: not read yet
	tried    time.Time     // guarded by mu: when the last fetch began
	fetching chan struct{} // guarded by mu: closed when the fetch in progress has ended; nil: there is none
}

// newRemote checks the URL of a key set. It does not read the set.
func newRemote(from string, now func() time.Time, logger *slog.Logger) (*remote, error) {
	u, err := url.Parse(from)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("invalid URL of a key set %q (want https://HOST/PATH)", from)
	case u.Scheme != "https" && !(u.Scheme == "http" && local(u.Hostname())):
		return nil, fmt.Errorf("the URL of a key set %q is not https; anyone in between could replace the keys (http is allowed for localhost)", from)
	}
	ctx, stop := context.WithCancel(context.Background())
	return &remote{url: u, now: now, logger: logger, client: &http.Client{Timeout: fetchTimeout, CheckRedirect: sameOrigin}, ctx: ctx, stop: stop}, nil
}

// local reports whether a host is this machine.
func local(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// sameOrigin refuses redirects to other origins, which the operator has not trusted.
func sameOrigin(r *http.Request, via []*http.Request) error {
	first := via[0].URL
	if r.URL.Scheme != first.Scheme || r.URL.Host != first.Host {
		return errors.New("it redirects to another origin; configure the URL where the key set is")
	}
	if len(via) > maxRedirects {
		return errors.New("it redirects too often")
	}
	return nil
}

// find implements keySource. If no key matches, it waits for a new key set, unless it was read within the last minute.
func (r *remote) find(ctx context.Context, id, algorithm string) ([]jwt.VerificationKey, error) {
	r.mu.Lock()
	found := r.keys.matching(id, algorithm)
	var fetched <-chan struct{}
	if len(found) == 0 {
		fetched = r.fetch(retryEvery)
	}
	r.mu.Unlock()
	if fetched != nil {
		select {
		case <-fetched:
		case <-ctx.Done():
		}
		r.mu.Lock()
		found = r.keys.matching(id, algorithm)
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys == nil {
		return nil, &Error{Reason: "the keys of the issuer cannot be read now; try again later", Later: true}
	}
	return found, nil
}

// fetch begins to read the key set, unless that began less than atMost ago. It returns a channel that is closed when the fetch in
// progress has ended, or nil if there is none. r.mu is held.
func (r *remote) fetch(atMost time.Duration) <-chan struct{} {
	if r.fetching != nil {
		return r.fetching
	}
	now := r.now()
	if since := now.Sub(r.tried); !r.tried.IsZero() && since >= 0 && since < atMost {
		return nil
	}
	r.tried = now
	done := make(chan struct{})
	r.fetching = done
	go func() {
		defer close(done)
		keys, err := r.read()
		if err != nil && r.ctx.Err() == nil {
			r.logger.Warn("the key set for tokens could not be read; the keys read before stay in use", "url", r.url.Redacted(), "err", err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.fetching = nil; err == nil {
			r.keys = keys
		}
	}()
	return done
}

// run reads the key set now and from time to time, until ctx ends.
func (r *remote) run(ctx context.Context) {
	defer r.client.CloseIdleConnections()
	defer r.stop()
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		r.mu.Lock()
		every := refreshEvery
		if r.keys == nil {
			every = retryEvery
		}
		r.fetch(every)
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// read reads the key set.
func (r *remote) read() (keySet, error) {
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		if opError := (*net.OpError)(nil); errors.As(err, &opError) {
			return nil, opError
		}
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its server answered %s", response.Status)
	}
	b, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxKeySet:
		return nil, fmt.Errorf("it has more than %d bytes", maxKeySet)
	}
	return parseKeySet(b)
}
