package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

// Limits of what is not reported.
const (
	maxSkew   = time.Minute         // a clock may be wrong by this, and a Date is up to a second old
	minExpiry = 14 * 24 * time.Hour // a certificate is renewed before
	maxBody   = 64 << 10
)

// request checks what one ordinary request shows. The error is for a server that did not answer.
func (e *examination) request(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, e.Patience)
	defer cancel()
	resp, local, remote, err := e.get(ctx, "/api/v1/connection")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	now := time.Now()
	e.certificate(resp, now)
	e.version(resp)
	e.clock(resp, now)
	e.caching(resp)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return err
	}
	var seen struct {
		Address   netip.Addr `json:"address"`
		Forwarded string     `json:"forwarded"`
		Reason    string     `json:"reason"`
	}
	err = json.Unmarshal(body, &seen)
	switch {
	case err != nil || resp.StatusCode != http.StatusOK && seen.Reason == "":
		e.add("server", Problem, "the answer ("+resp.Status+") is not from ramai: a proxy answered, or another program",
			"forward all paths to ramai: location / (nginx), reverse_proxy (Caddy), default_backend (haproxy), ProxyPass / (Apache)")
	case resp.StatusCode == http.StatusNotFound:
		e.add("address", Unknown, "the server is too old to say which address it sees", "update it")
	case resp.StatusCode != http.StatusOK:
		e.add("server", Problem, "the server rejects requests: "+seen.Reason,
			"start ramai with --allow-host "+e.URL.Hostname()+", and forward the host name: proxy_set_header Host $http_host (nginx), ProxyPreserveHost On (Apache)")
	default:
		e.address(seen.Address, seen.Forwarded, addrOf(local), addrOf(remote))
	}
	return nil
}

func (e *examination) certificate(resp *http.Response, now time.Time) {
	switch {
	case resp.TLS == nil:
		e.add("certificate", OK, "none: the connection is not encrypted", "")
	case resp.TLS.PeerCertificates[0].NotAfter.Before(now.Add(minExpiry)):
		e.add("certificate", Problem, "expires at "+resp.TLS.PeerCertificates[0].NotAfter.UTC().Format(time.RFC3339), "renew it")
	default:
		e.add("certificate", OK, "valid until "+resp.TLS.PeerCertificates[0].NotAfter.UTC().Format(time.RFC3339), "")
	}
}

func (e *examination) version(resp *http.Response) {
	if !resp.ProtoAtLeast(1, 1) {
		e.add("version", Problem, "the response is of "+resp.Proto+", which has neither streams nor WebSocket", "let the proxy speak HTTP/1.1: proxy_http_version 1.1 (nginx), no force-response-1.0 (Apache)")
		return
	}
	e.add("version", OK, resp.Proto, "")
}

func (e *examination) clock(resp *http.Response, now time.Time) {
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		e.add("clock", Unknown, "the response has no Date", "")
		return
	}
	switch skew := now.Sub(date); {
	case skew > maxSkew:
		e.add("clock", Problem, fmt.Sprintf("the server's clock is %v behind this one: times of messages are wrong, and tokens are rejected", skew.Round(time.Second)), "synchronize both clocks with NTP")
	case skew < -maxSkew:
		e.add("clock", Problem, fmt.Sprintf("the server's clock is %v ahead of this one: times of messages are wrong, and tokens are rejected", (-skew).Round(time.Second)), "synchronize both clocks with NTP")
	default:
		e.add("clock", OK, "both clocks agree within a minute", "")
	}
}

func (e *examination) caching(resp *http.Response) {
	if resp.Header.Get("Age") != "" || !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
		e.add("caching", Problem, "a proxy caches answers or lets others cache them, so clients may read old messages",
			"switch caching off for /api/, and keep Cache-Control: proxy_cache off, no expires (nginx), no http-request cache-use (haproxy), CacheDisable / (Apache)")
		return
	}
	e.add("caching", OK, "answers are not cached", "")
}

// address checks that the server knows the client's address. Between private networks and public ones addresses are
// translated, so another address proves nothing, unless it cannot be that of this machine.
func (e *examination) address(seen netip.Addr, forwarded string, local, remote netip.Addr) {
	const fix = "let the proxy send X-Forwarded-For (nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; haproxy: option forwardfor; Apache and Caddy do), and start ramai with --trust-proxy "
	switch {
	case forwarded == "ignored":
		e.add("address", Problem, fmt.Sprintf("the server ignores X-Forwarded-For, and sees %v: all clients behind the proxy share the limits of one address", seen),
			fmt.Sprintf("start ramai with --trust-proxy %v, if that is your proxy", seen))
	case seen == local:
		e.add("address", OK, fmt.Sprintf("the server sees the address of this machine, %v", seen), "")
	case forwarded != "used" && (seen.IsLoopback() || seen == remote):
		e.add("address", Problem, fmt.Sprintf("the server sees %v, not this machine: a proxy hides the addresses of clients, so limits and bans by address apply to nobody or to everybody", seen),
			fmt.Sprint(fix, seen))
	default:
		e.add("address", OK, fmt.Sprintf("the server sees %v; if this is not your public address, a proxy hides addresses: %s its address", seen, fix), "")
	}
}

func addrOf(a net.Addr) netip.Addr {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
