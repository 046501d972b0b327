package rehearse

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"ramai/internal/reactor"
	"ramai/wire"
)

// dial connects a client and adds its connection to the reactor.
func (r *rehearsal) dial(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	host := r.target.Host
	if r.target.Port() == "" {
		host = net.JoinHostPort(r.target.Hostname(), map[bool]string{false: "2000", true: "443"}[r.secure()])
	}
	d := net.Dialer{LocalAddr: r.source(c)}
	nc, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	if r.secure() {
		secure := tls.Client(nc, &tls.Config{ServerName: r.target.Hostname(), InsecureSkipVerify: r.cfg.AnyCertificate})
		if err := secure.HandshakeContext(ctx); err != nil {
			nc.Close()
			return fmt.Errorf("connect: %w", err)
		}
		nc = secure
	}
	early, err := r.upgrade(nc)
	if err != nil {
		nc.Close()
		return fmt.Errorf("connect: %w", err)
	}
	r.cfg.Reactor.Add(nc, early, func(conn reactor.Conn) reactor.Source { return c.attach(conn) })
	historyID := ""
	if l := r.historyID.Load(); l != nil {
		historyID = *l
	}
	c.sendJoin(historyID)
	return nil
}

// secure reports whether the connections use TLS.
func (r *rehearsal) secure() bool { return r.target.Scheme == "https" || r.target.Scheme == "wss" }

// upgrade does the handshake of RFC 6455 section 4.1 and returns the bytes that followed it. It trusts the server,
// which is the one being measured.
func (r *rehearsal) upgrade(nc net.Conn) ([]byte, error) {
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	defer nc.SetDeadline(time.Time{})
	path := r.target.RequestURI()
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cmFtYWkgcmVoZWFyc2FsIQ==\r\n", path, r.target.Host)
	if !r.cfg.Plain {
		request += "Sec-WebSocket-Protocol: " + wire.Protocol + "\r\n"
	}
	if _, err := io.WriteString(nc, request+"\r\n"); err != nil {
		return nil, err
	}
	in := bufio.NewReaderSize(nc, 4096)
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		reason, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return nil, fmt.Errorf("the server answered %s: %s", answer.Status, reason)
	}
	if !r.cfg.Plain && answer.Header.Get("Sec-WebSocket-Protocol") != wire.Protocol {
		return nil, errors.New("the server does not speak " + wire.Protocol + "; use --plain")
	}
	early := make([]byte, in.Buffered())
	in.Read(early)
	return early, nil
}
