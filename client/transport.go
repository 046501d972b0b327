package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"ramai/internal/origin"
)

// transport returns the transport of a handshake with the server. A proxy might forward a plain request without supporting
// WebSocket, so it is asked for a tunnel, as for https. wrap is called with each connection.
func (d *dialer) transport(wrap func(net.Conn) net.Conn) (*http.Transport, error) {
	t := &http.Transport{TLSClientConfig: d.tls.Clone()}
	dial := d.dial
	if d.proxy != nil {
		target := *d.url
		target.Scheme = origin.Of(d.url.Scheme, d.url.Host).Scheme
		proxy, err := d.proxy(&http.Request{URL: &target})
		switch {
		case err != nil:
			return nil, fmt.Errorf("invalid proxy in the environment: %w", err)
		case proxy == nil:
		case proxy.Scheme == "http" || proxy.Scheme == "https":
			dial = func(ctx context.Context, _, address string) (net.Conn, error) { return d.tunnel(ctx, proxy, address) }
		default: // SOCKS, which always opens a tunnel
			t.Proxy = http.ProxyURL(proxy)
		}
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return wrap(conn), nil
	}
	return t, nil
}

// tunnel connects to an address through a proxy (CONNECT; RFC 9110, section 9.3.6).
func (d *dialer) tunnel(ctx context.Context, proxy *url.URL, address string) (_ net.Conn, err error) {
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[proxy.Scheme]
	}
	conn, err := d.dial(ctx, "tcp", net.JoinHostPort(proxy.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", proxy.Redacted(), err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			conn.Close()
		}
	}()
	if proxy.Scheme == "https" {
		config := &tls.Config{}
		if d.tls != nil {
			config = d.tls.Clone()
		}
		config.ServerName = proxy.Hostname()
		conn = tls.Client(conn, config)
	}
	r := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{}}
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		r.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)))
	}
	if err := r.Write(conn); err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", proxy.Redacted(), err)
	}
	// The reader buffers nothing beyond the response: the server waits for the client's first bytes.
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return nil, fmt.Errorf("the proxy %s: %w", proxy.Redacted(), err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the proxy %s refused to connect to %s: %s", proxy.Redacted(), address, resp.Status)
	}
	return conn, nil
}

// checkRedirect is a value of http.Client.CheckRedirect. It follows a redirect within a server, or to the same server over
// TLS. Any other redirect would disclose the session.
func checkRedirect(r *http.Request, via []*http.Request) error {
	from, to := origin.Of(via[0].URL.Scheme, via[0].URL.Host), origin.Of(r.URL.Scheme, r.URL.Host)
	if to != from && !to.Upgrades(from) || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}
