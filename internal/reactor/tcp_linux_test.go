package reactor

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSilence(t *testing.T) {
	const timeout = 45 * time.Second
	// What the kernel reports when it is asked every 5 s.
	tests := map[string]struct {
		info func(at time.Duration) unix.TCPInfo
		dead time.Duration // 0: never
	}{
		"nothing to acknowledge": {func(at time.Duration) unix.TCPInfo {
			return unix.TCPInfo{Last_ack_recv: ms(at)}
		}, 0},
		"a peer that acknowledges": {func(at time.Duration) unix.TCPInfo {
			return unix.TCPInfo{Unacked: 3, Last_ack_recv: 40}
		}, 0},
		"idle for long, then gone": {func(at time.Duration) unix.TCPInfo {
			if at < time.Minute {
				return unix.TCPInfo{Last_ack_recv: ms(at)}
			}
			return unix.TCPInfo{Unacked: 1, Last_ack_recv: ms(at)}
		}, time.Minute + timeout},
		"gone while it was written to": {func(at time.Duration) unix.TCPInfo {
			return unix.TCPInfo{Unacked: 9, Last_ack_recv: ms(at)}
		}, 5*time.Second + timeout},
		"blocked, every probe is answered": {func(at time.Duration) unix.TCPInfo {
			return unix.TCPInfo{Notsent_bytes: 1000, Last_ack_recv: ms(at % (2 * time.Minute))}
		}, 0},
		"blocked, and one answer is lost": {func(at time.Duration) unix.TCPInfo {
			return unix.TCPInfo{Notsent_bytes: 1000, Probes: 1, Last_ack_recv: ms(at)}
		}, 0},
		"blocked, then gone": {func(at time.Duration) unix.TCPInfo {
			return unix.TCPInfo{Notsent_bytes: 1000, Probes: uint8(at / time.Minute), Last_ack_recv: ms(at)}
		}, 2*time.Minute + timeout},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var s silence
			for at := 5 * time.Second; at < 8*time.Minute; at += 5 * time.Second {
				info := test.info(at)
				if s.dead(&info, at, timeout) {
					if at != test.dead {
						t.Errorf("dead after %v, want %v", at, test.dead)
					}
					return
				}
			}
			if test.dead != 0 {
				t.Error("not found dead")
			}
		})
	}
}

func ms(d time.Duration) uint32 { return uint32(d / time.Millisecond) }
