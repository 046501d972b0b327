// Package origin compares origins by scheme, host and port, whatever their spelling.
package origin

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Origin is a scheme, http or https, and a host with its port, unless that is the default port (RFC 6454). It is
// normalized: lower case, no dot at the end, IP addresses as formatted by package netip. Origins can be compared with
// ==.
type Origin struct {
	Scheme, Host string
}

// Of returns the origin for a scheme and the value of a Host header field. ws counts as http, and wss as https.
func Of(scheme, host string) Origin {
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "ws":
		scheme = "http"
	case "wss":
		scheme = "https"
	}
	name, port := split(host)
	switch {
	case port == "", scheme == "http" && port == "80", scheme == "https" && port == "443":
		if strings.Contains(name, ":") {
			name = "[" + name + "]"
		}
		return Origin{scheme, name}
	}
	return Origin{scheme, net.JoinHostPort(name, port)}
}

// Parse parses the value of an Origin header field: a scheme and a host, and nothing else. It returns false for the
// opaque origin "null".
func Parse(s string) (Origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !strings.EqualFold(s, u.Scheme+"://"+u.Host) {
		return Origin{}, false
	}
	o := Of(u.Scheme, u.Host)
	return o, o.Scheme == "http" || o.Scheme == "https"
}

// Hostname returns the normalized name or address of a host that may have a port, without brackets.
func Hostname(host string) string {
	name, _ := split(host)
	return name
}

// String returns the value for an Origin header field.
func (o Origin) String() string { return o.Scheme + "://" + o.Host }

// Upgrades reports whether o is the same server as other, reached over TLS: the same host and the same port, or the
// default ports of both schemes.
func (o Origin) Upgrades(other Origin) bool {
	return o.Scheme == "https" && other.Scheme == "http" && o.Host == other.Host
}

// split returns the name and the port of a host.
func split(host string) (name, port string) {
	name = host
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, p
	} else {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr.String(), port
	}
	return strings.TrimSuffix(strings.ToLower(name), "."), port
}
