package chat

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"
	"unicode/utf8"
)

// linesPerMinute limits the log lines about the clients of one address (IPv6: /64) per minute.
const linesPerMinute = 600

// loggedText limits the bytes of a text in a log line.
const loggedText = 200

// ClientLog logs connections of clients and, if enabled, their messages. One address cannot fill the log: lines beyond
// its limit a minute are counted, and the count is logged once. A nil *ClientLog logs nothing.
type ClientLog struct {
	logger *slog.Logger
	now    func() time.Time
	texts  bool

	mu    sync.Mutex
	since time.Time            // guarded by mu: the beginning of the minute
	lines map[netip.Prefix]int // guarded by mu: since then, by network
}

// NewClientLog returns a ClientLog that writes to log, with or without the texts of messages.
func NewClientLog(logger *slog.Logger, now func() time.Time, texts bool) *ClientLog {
	return &ClientLog{logger: logger, now: now, texts: texts, lines: make(map[netip.Prefix]int)}
}

// Connected logs that a connection has become a session.
func (l *ClientLog) Connected(from netip.AddrPort, protocol Protocol, room string, deflate bool) {
	if l.allow(from) {
		l.logger.Info("New connection", "remote", from, "transport", protocol.String(), "room", room, "deflate", deflate)
	}
}

// Closed logs the end of a session and its reason.
func (l *ClientLog) Closed(from netip.AddrPort, protocol Protocol, why string) {
	if l.allow(from) {
		l.logger.Info("Connection closed", "remote", from, "transport", protocol.String(), "reason", why)
	}
}

// Heard logs a message that a client posts in a room, if texts are logged.
func (l *ClientLog) Heard(from netip.AddrPort, room, text string) {
	if l == nil || !l.texts || !l.allow(from) {
		return
	}
	if len(text) > loggedText {
		cut := loggedText
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	l.logger.Info("From client", "remote", from, "room", room, "text", text)
}

// allow counts a line about a client, and reports whether to write it.
func (l *ClientLog) allow(from netip.AddrPort) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now(); now.Sub(l.since) >= time.Minute || now.Before(l.since) {
		for network, n := range l.lines {
			if n > linesPerMinute {
				l.logger.Info("log lines about the clients of one address were dropped", "remote", network, "lines", n-linesPerMinute)
			}
		}
		clear(l.lines)
		l.since = now
	}
	network := Network(from.Addr())
	l.lines[network]++
	return l.lines[network] <= linesPerMinute
}
