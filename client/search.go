package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"ramai/wire"
)

// maxFound is the largest response to a request, in bytes: 100 hits need at most a third of it.
const maxFound = 2 << 20

// Search describes a search.
type Search struct {
	Words  string // a text must contain all of them; a prefix of the last one is enough
	Room   string // empty: in all rooms
	Before string // only messages before this one: "ROOM:N", or "N" if there is a Room; empty: all
	Limit  int    // 1 to wire.MaxHits; 0: wire.DefaultHits
}

// SearchResponse has the newest hits. Raw has each as the server sent it.
type SearchResponse struct {
	wire.SearchResponse
	Raw []json.RawMessage
}

// Find asks the server for the newest messages that contain the words of s. It uses URL (without the room), Session, TLS
// and DialContext of config. If the server refuses, the error is a [*RefusedError].
func Find(ctx context.Context, config Config, s Search) (*SearchResponse, error) {
	b, err := get(ctx, config, "/api/v1/search", s.query())
	if err != nil {
		return nil, err
	}
	return readFound(b)
}

// Rooms asks the server for at most limit rooms (0: wire.MaxRooms) whose names follow after, in alphabetical order. It uses
// config like Find.
func Rooms(ctx context.Context, config Config, after string, limit int) (*wire.RoomsResponse, error) {
	q := url.Values{}
	if after != "" {
		q.Set("after", after)
	}
	if limit != 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	b, err := get(ctx, config, "/api/v1/rooms", q.Encode())
	if err != nil {
		return nil, err
	}
	rooms := new(wire.RoomsResponse)
	if err := json.Unmarshal(b, rooms); err != nil || rooms.Rooms == nil {
		return nil, errors.New("the server's answer is not a list of rooms; is it a ramai server of this version? " + proxyAuthHint)
	}
	return rooms, nil
}

// get returns the answer to a GET request to the server of config.
func get(ctx context.Context, config Config, path, query string) ([]byte, error) {
	u, _, err := parse(config.URL)
	if err != nil {
		return nil, err
	}
	target := url.URL{Scheme: "http", User: u.User, Host: u.Host, Path: path, RawQuery: query}
	if u.Scheme == "https" || u.Scheme == "wss" {
		target.Scheme = "https"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	if config.Session != "" {
		r.Header.Set("Ramai-Session", config.Session) // a proxy in front may use Authorization
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config.TLS.Clone(), DialContext: config.DialContext, DisableKeepAlives: true}
	if transport.DialContext == nil {
		transport.DialContext = new(net.Dialer).DialContext
	}
	resp, err := (&http.Client{Transport: transport, CheckRedirect: checkRedirect}).Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("connecting to %s: %w", u.Redacted(), cause(err))
	}
	defer resp.Body.Close()
	body := http.MaxBytesReader(nil, resp.Body, maxFound)
	if resp.StatusCode != http.StatusOK {
		resp.Body = body
		return nil, refusal(resp)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, fmt.Errorf("reading the response: %w", err)
	}
	return b, nil
}

func (s *Search) query() string {
	q := url.Values{"q": {s.Words}}
	if s.Room != "" {
		q.Set("room", s.Room)
	}
	if s.Before != "" {
		q.Set("before", s.Before)
	}
	if s.Limit != 0 {
		q.Set("limit", strconv.Itoa(s.Limit))
	}
	return q.Encode()
}

func readFound(b []byte) (*SearchResponse, error) {
	var raw struct {
		Hits *[]json.RawMessage `json:"hits"`
	}
	found := new(SearchResponse)
	if err := errors.Join(json.Unmarshal(b, &raw), json.Unmarshal(b, &found.SearchResponse)); err != nil || raw.Hits == nil {
		return nil, errors.New("the server's answer is not a search response; is it a ramai server? " + proxyAuthHint)
	}
	found.Raw = *raw.Hits
	return found, nil
}
