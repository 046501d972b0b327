package server

import (
	"net/netip"
	"testing"
)

func TestAddress(t *testing.T) {
	origin := func() string { return "http://192.0.2.7:2000" }
	here, proxy := netip.MustParseAddr("192.0.2.1"), []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
	for want, test := range map[string]struct {
		config Config
		came   netip.Addr
	}{
		"http://192.0.2.1:2000":      {Config{Port: 2000}, here},
		"http://[2001:db8::1]:2000":  {Config{Port: 2000}, netip.MustParseAddr("2001:db8::1")},
		"http://[2001:db8::1]":       {Config{Port: 80}, netip.MustParseAddr("2001:db8::1")},
		"http://192.0.2.1":           {Config{}, here},
		"https://192.0.2.1":          {Config{Port: 443, TLS: TLS{Cert: "c"}}, here},
		"https://chat.example:2000":  {Config{Port: 2000, TLS: TLS{Cert: "c"}, AllowHosts: []string{"chat.example", "other"}}, here},
		"https://chat.example":       {Config{Port: 2000, TrustProxies: proxy, AllowHosts: []string{"chat.example"}}, here},
		"http://192.0.2.1:2001":      {Config{Port: 2001, TrustProxies: proxy}, here},
		"https://chat.example.org":   {Config{Port: 2000, TLS: TLS{Domains: []string{"chat.example.org"}}}, here},
		"http://chat.example.org:81": {Config{Port: 81, AllowHosts: []string{"chat.example.org"}}, here},
		"http://192.0.2.7:2000":      {Config{Port: 2000, Origin: origin}, netip.MustParseAddr("::1")},
		"http://192.0.2.3:2000":      {Config{Port: 2000, Origin: origin}, netip.MustParseAddr("192.0.2.3")},
		"http://127.0.0.1:2000":      {Config{Port: 2000}, netip.MustParseAddr("127.0.0.1")},
	} {
		if got := test.config.address(test.came).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
