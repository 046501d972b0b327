package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"
)

// answering serves a history with a log on an address, and returns the address.
func answering(t *testing.T, address, log string) *net.TCPAddr {
	t.Helper()
	ln, err := net.Listen("tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, `{"log":%q}`, log) })}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ln) // ends with Close
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return ln.Addr().(*net.TCPAddr)
}

// TestReachable: the address for other machines is one at which the same server answers.
func TestReachable(t *testing.T) {
	lookUp := func(server string) string {
		t.Helper()
		u, err := url.Parse(server)
		if err != nil {
			t.Fatal(err)
		}
		find := reachable(u)
		if find == nil {
			return "itself"
		}
		if found := find(t.Context()); found != nil {
			return found.String()
		}
		return "none"
	}
	for _, server := range []string{"http://192.0.2.1:2000", "https://chat.example.org", "ws://chat.example.org/r/tea"} {
		if got := lookUp(server); got != "itself" {
			t.Errorf("%s: %s", server, got)
		}
	}
	for _, server := range []string{"https://localhost:1", "wss://127.0.0.1:1", "http://localhost:1", "http://[::1]:1"} {
		if got := lookUp(server); got != "none" {
			t.Errorf("%s: %s", server, got)
		}
	}
	here := networkAddress()
	if here == "localhost" {
		t.Skip("this machine has no network")
	}
	everywhere := answering(t, "0.0.0.0:0", "a")
	for _, server := range []string{"http://127.0.0.1:%d", "ws://localhost:%d/r/tea"} {
		if got, want := lookUp(fmt.Sprintf(server, everywhere.Port)), fmt.Sprintf("http://%s:%d", here, everywhere.Port); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	local := fmt.Sprintf("http://127.0.0.1:%d", answering(t, "127.0.0.1:0", "a").Port)
	if got := lookUp(local); got != "none" {
		t.Errorf("on this machine only: %s", got)
	}
	two := answering(t, "127.0.0.1:0", "a")
	answering(t, fmt.Sprintf("%s:%d", here, two.Port), "b")
	if got := lookUp(fmt.Sprintf("http://127.0.0.1:%d", two.Port)); got != "none" {
		t.Errorf("another server: %s", got)
	}
}
