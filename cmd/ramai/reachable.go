package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"time"

	"ramai/wire"
)

// reachTimeout limits the search for an address that other machines can use.
const reachTimeout = time.Second

// reachable returns a function that looks up the address by which other machines reach a server. It is nil if they can use
// the address of server as well: it names no loopback interface. The function returns nil if none is known.
func reachable(server *url.URL) func(context.Context) *url.URL {
	if ip := net.ParseIP(server.Hostname()); server.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil
	}
	return func(ctx context.Context) *url.URL {
		other := url.URL{Scheme: "http", Host: net.JoinHostPort(networkAddress(), httpPort(server))}
		if server.Scheme == "https" || server.Scheme == "wss" || other.Hostname() == "localhost" {
			return nil // a certificate is not for an address
		}
		ctx, cancel := context.WithTimeout(ctx, reachTimeout)
		defer cancel()
		here := url.URL{Scheme: "http", Host: server.Host}
		if id := historyID(ctx, here); id == "" || id != historyID(ctx, other) {
			return nil // nothing listens there, or another server does
		}
		return &other
	}
}

// httpPort returns the port of a URL with the scheme http or ws.
func httpPort(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return "80"
}

// historyID returns the log of a server, or nothing if it does not answer.
func historyID(ctx context.Context, origin url.URL) string {
	origin.Path, origin.RawQuery = "/api/v1/rooms/"+wire.Lobby+"/messages", "limit=1"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, origin.String(), nil)
	if err != nil {
		return ""
	}
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: both are addresses of this machine
	resp, err := direct.Do(r)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var page struct {
		Log string `json:"log"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 1<<20)).Decode(&page); err != nil {
		return ""
	}
	return page.Log
}
