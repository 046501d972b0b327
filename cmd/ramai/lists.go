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

// list is a flag that can be repeated, or take several values separated by commas.
type list[T any] struct {
	values *[]T
	kind   string
	parse  func(string) (T, error)
}

// String implements pflag.Value.
func (l list[T]) String() string {
	if l.values == nil { // pflag calls String on a zero value
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

// repeats marks flags that can be repeated.
func (l list[T]) repeats() {}

// network parses a network, or an address as a network of one.
func network(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, bad := netip.ParseAddr(s)
		if bad != nil || addr.Zone() != "" {
			return p, fmt.Errorf("invalid address or network %q (want, for example, 10.0.0.1 or 10.0.0.0/8)", s)
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	if addr := p.Addr(); addr.Is4In6() { // client addresses are compared as IPv4
		if p.Bits() < 96 {
			return p, fmt.Errorf("%q contains all of IPv4 and more (want, for example, 10.0.0.0/8)", s)
		}
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	if p.Bits() == 0 {
		return p, fmt.Errorf("%q contains every address; name only your proxies (for example, 10.0.0.1 or 10.0.0.0/8)", s)
	}
	return p.Masked(), nil
}

// hostname parses a host name, and normalizes it as browsers do.
func hostname(s string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", fmt.Errorf("invalid host name %q (want, for example, chat.example.org, without scheme, port or path; write non-ASCII names as xn--…)", s)
		}
	}
	return name, nil
}

// domain parses the name of a domain that can have a certificate.
func domain(s string) (string, error) {
	name, err := hostname(s)
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
		return "", fmt.Errorf("invalid domain %q (want a public name, for example chat.example.org)", s)
	}
	return name, nil
}

// parseOrigin parses an origin, and normalizes it as browsers do (RFC 6454, section 6.2).
func parseOrigin(s string) (string, error) {
	invalid := fmt.Errorf("invalid origin %q (want, for example, https://example.org or http://example.org:8080)", s)
	u, err := url.Parse(strings.ToLower(s))
	if err != nil || u.Scheme == "" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", invalid
	}
	if u.Scheme != "http" && u.Scheme != "https" { // apps and browser extensions have schemes of their own
		return strings.TrimSuffix(s, "/"), nil
	}
	host, port := u.Hostname(), u.Port()
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return "", invalid
	} else if port != "" {
		port = strconv.FormatUint(n, 10)
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		host = addr.String()
	} else if host, err = hostname(host); err != nil {
		return "", errors.Join(invalid, err)
	}
	switch {
	case port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme]:
		host = net.JoinHostPort(host, port)
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return u.Scheme + "://" + host, nil
}
