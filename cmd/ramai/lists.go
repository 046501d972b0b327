package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// list is a flag that may be given several times, or with commas.
type list[T any] struct {
	values *[]T
	kind   string
	parse  func(string) (T, error)
}

// String implements pflag.Value.
func (l list[T]) String() string {
	if l.values == nil { // pflag asks a zero value what its default is
		return ""
	}
	var all []string
	for _, one := range *l.values {
		all = append(all, fmt.Sprint(one))
	}
	return strings.Join(all, ",")
}

// Set implements pflag.Value.
func (l list[T]) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		value, err := l.parse(strings.TrimSpace(one))
		if err != nil {
			return err
		}
		*l.values = append(*l.values, value)
	}
	return nil
}

// Type implements pflag.Value.
func (l list[T]) Type() string { return l.kind }

// repeats tells a list from other flags.
func (l list[T]) repeats() {}

// network reads a network, or an address as one.
func network(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, bad := netip.ParseAddr(s)
		if bad != nil || addr.Zone() != "" {
			return p, fmt.Errorf("%q is no address or network; it is to be like 10.0.0.1 or 10.0.0.0/8", s)
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if addr := p.Addr(); addr.Is4In6() { // where clients come from is told in IPv4
		if p.Bits() < 96 {
			return p, fmt.Errorf("%q has all of IPv4 in it and more; it is to be like 10.0.0.0/8", s)
		}
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	if p.Bits() == 0 {
		return p, fmt.Errorf("%q is everybody, and a proxy is not; it is to be like 10.0.0.1 or 10.0.0.0/8", s)
	}
	return p.Masked(), nil
}

// hostname reads a name that browsers may know the server by, and writes it as they do.
func hostname(s string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", fmt.Errorf("%q is no name of a host; it is to be like chat.example.org, without a scheme, a port or a path (and beyond ASCII as xn--…)", s)
		}
	}
	return name, nil
}

// domain reads a name that a certificate can be got for.
func domain(s string) (string, error) {
	name, err := hostname(s)
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return "", fmt.Errorf("no certificate can be got for %q; it takes a name that all the world knows, like chat.example.org", s)
	}
	return name, nil
}

// parseOrigin reads an origin, and writes it as browsers do (RFC 6454, section 6.2).
func parseOrigin(s string) (string, error) {
	wrong := fmt.Errorf("%q is no origin; it is to be like https://example.org or http://example.org:8080, each origin by itself", s)
	u, err := url.Parse(strings.ToLower(s))
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", wrong
	}
	if u.Scheme != "http" && u.Scheme != "https" { // of an app or an extension: it says who it is in its own way
		return strings.TrimSuffix(s, "/"), nil
	}
	host, port := u.Hostname(), u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return "", wrong
	} else if port != "" {
		port = strconv.FormatUint(n, 10)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		host = addr.String()
	} else if host, err = hostname(host); err != nil {
		return "", errors.Join(wrong, err)
	}
	switch {
	case port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme]:
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}
