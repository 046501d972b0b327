package web

import (
	"context"
	"net/http"
	"net/netip"
	"strings"

	"ramai/internal/httpfield"
	"ramai/internal/origin"
)

// behindProxies passes requests to next with the client's address, and with the client's scheme in URL.Scheme, as far
// as trusted proxies forward them. Headers forged by clients are ignored.
func (w *web) behindProxies(next http.Handler) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Scheme != "" { // the request has an absolute URL (RFC 9112, section 3.2.2)
			r = withScheme(r, "")
		}
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			if client := w.origin(from, r.Header.Values("X-Forwarded-For")); client != from {
				r = r.WithContext(context.WithValue(r.Context(), forwardedKey{}, true)) // a copy: the field belongs to the server
				r.RemoteAddr = client.String()
			}
			if w.trusted(from.Addr()) && overTLS(r.Header) {
				r = withScheme(r, "https")
			}
		}
		next.ServeHTTP(out, r)
	})
}

// overTLS reports whether a proxy says that the client used TLS. Of several proxies, the first one counts.
func overTLS(header http.Header) bool {
	proto := httpfield.List(header.Values("X-Forwarded-Proto"))
	return len(proto) > 0 && origin.Of(proto[0], "").Scheme == "https"
}

func withScheme(r *http.Request, scheme string) *http.Request {
	r = r.WithContext(r.Context()) // a copy: the URL belongs to the server
	u := *r.URL
	u.Scheme, r.URL = scheme, &u
	return r
}

// secure reports whether a request came over TLS, to this server or to a trusted proxy.
func secure(r *http.Request) bool { return r.TLS != nil || r.URL.Scheme == "https" }

// origin is the client address of a request received from peer. Each proxy appends to X-Forwarded-For the address that
// it received the request from, so origin reads the header from its end, as far as trusted proxies wrote it. Earlier
// entries prove nothing. Similar headers (Forwarded, X-Real-IP) are not read: a proxy that does not know them forwards
// what a client made up.
func (w *web) origin(peer netip.AddrPort, forwarded []string) netip.AddrPort {
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && w.trusted(peer.Addr()); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break
		}
		peer = hop
	}
	return peer
}

func (w *web) trusted(addr netip.Addr) bool {
	for _, p := range w.TrustProxies {
		if p.Contains(addr.Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

// parseHop parses an address, with or without a port.
func parseHop(s string) (netip.AddrPort, bool) {
	if hop, err := netip.ParseAddrPort(s); err == nil {
		return hop, true
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return netip.AddrPortFrom(addr, 0), err == nil
}
