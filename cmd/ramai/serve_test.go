package main

import (
	"net"
	"strings"
	"testing"

	"ramai/server"
)

// Who can join is told, SSH included.
func TestTellHow(t *testing.T) {
	at := func(ip string) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 2022} }
	here, wide := at("127.0.0.1"), at("::")
	for _, test := range []struct {
		addr, ssh *net.TCPAddr
		want      string // of the last line; empty: nothing of this machine alone
	}{
		{here, nil, "Only this machine can join; for"},
		{here, here, "Only this machine can join; for"},
		{here, wide, "Only this machine can join, but for SSH, which is open to the network: ssh -p 2022 HOST; for"},
		{wide, wide, ""},
	} {
		var out strings.Builder
		tellHow(&out, test.addr, test.ssh, server.TLS{})
		_, got, _ := strings.Cut(out.String(), "/r/ROOM)\n")
		if !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("%v and %v: %q, want %q", test.addr, test.ssh, got, test.want)
		}
	}
}
