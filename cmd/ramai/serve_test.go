package main

import (
	"net"
	"strings"
	"testing"

	"ramai/server"
)

// The server prints who can join, including over SSH.
func TestPrintHowToJoin(t *testing.T) {
	at := func(ip string) *net.TCPAddr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 2022} }
	local, everywhere := at("127.0.0.1"), at("::")
	for _, test := range []struct {
		addr, ssh *net.TCPAddr
		want      string // beginning of the last line; empty: there is none
	}{
		{local, nil, "Only clients on this machine can join. To"},
		{local, local, "Only clients on this machine can join. To"},
		{local, everywhere, "Only clients on this machine can join, except over SSH, which is open to the network: ssh -p 2022 HOST. To"},
		{everywhere, everywhere, ""},
	} {
		var out strings.Builder
		printHowToJoin(&out, test.addr, test.ssh, server.TLS{})
		_, got, _ := strings.Cut(out.String(), "/r/ROOM)\n")
		if !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("%v and %v: %q, want %q", test.addr, test.ssh, got, test.want)
		}
	}
}
