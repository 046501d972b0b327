package main

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestLists(t *testing.T) {
	for _, c := range []struct {
		kind, in, want string // empty: it is refused
	}{
		{"network", "10.0.0.1", "[10.0.0.1/32]"},
		{"network", "10.1.2.3/8, 2001:db8::/32", "[10.0.0.0/8 2001:db8::/32]"},
		{"network", "::ffff:10.1.2.3", "[10.1.2.3/32]"},
		{"network", "::ffff:10.1.2.3/104", "[10.0.0.0/8]"},
		{"network", "::ffff:0.0.0.0/90", ""},
		{"network", "fe80::1%eth0", ""},
		{"network", "localhost", ""},
		{"network", "", ""},
		{"host", "Chat.Example.ORG", "[chat.example.org]"},
		{"host", "chat.example.org.,b", "[chat.example.org b]"},
		{"host", "my_host-1", "[my_host-1]"},
		{"host", "https://chat.example.org", ""},
		{"host", "chat.example.org:2000", ""},
		{"host", "chat.example.org/", ""},
		{"host", "bücher.example", ""},
		{"host", "*.example.org", ""},
		{"host", "a..b", ""},
		{"host", "", ""},
		{"origin", "HTTPS://Example.org", "[https://example.org]"},
		{"origin", "https://example.org/", "[https://example.org]"},
		{"origin", "https://example.org:443,http://example.org:80", "[https://example.org http://example.org]"},
		{"origin", "http://example.org:443", "[http://example.org:443]"},
		{"origin", "http://[::1]:8080", "[http://[::1]:8080]"},
		{"origin", "http://[0:0::1]", "[http://[::1]]"},
		{"origin", "https://example.org:0443", "[https://example.org]"},
		{"origin", "https://example.org:99999", ""},
		{"origin", "https://example.org:0", ""},
		{"origin", "capacitor://localhost", "[capacitor://localhost]"},
		{"domain", "Chat.example.org", "[chat.example.org]"},
		{"domain", "192.0.2.1", ""},
		{"domain", "localhost", ""},
		{"origin", "https://example.org/chat", ""},
		{"origin", "https://user@example.org", ""},
		{"origin", "https://example.org?x", ""},
		{"origin", "https://*.example.org", ""},
		{"origin", "example.org", ""},
		{"origin", "null", ""},
		{"origin", "*", ""},
		{"origin", "file:///", ""},
	} {
		var got string
		var err error
		switch c.kind {
		case "network":
			got, err = read(network, c.in)
		case "host":
			got, err = read(hostname, c.in)
		case "domain":
			got, err = read(domain, c.in)
		case "origin":
			got, err = read(parseOrigin, c.in)
		}
		if err != nil {
			got = ""
		}
		if got != c.want {
			t.Errorf("%s %q: %s, %v; want %q", c.kind, c.in, got, err, c.want)
		}
	}
}

// read parses one value of the command line into a list.
func read[T string | netip.Prefix](parse func(string) (T, error), s string) (string, error) {
	var all []T
	err := list[T]{values: &all, parse: parse}.Set(s)
	return fmt.Sprint(all), err
}
