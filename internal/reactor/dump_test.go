package reactor
import ("testing";"time";"golang.org/x/sys/unix")
func TestDump(t *testing.T) {
	r := paths["epoll"](Options{})
	defer r.Close()
	s, _ := connect(t, r, nil, nil)
	s.say(pattern(16<<20))
	t0 := time.Now()
	var last unix.TCPInfo
	for time.Since(t0) < 40*time.Second {
		info, _ := tcpInfo(int(s.conn.(*socket).fd))
		if info.Unacked != last.Unacked || info.Probes != last.Probes || info.Last_ack_recv < last.Last_ack_recv || info.Backoff != last.Backoff || info.Total_retrans != last.Total_retrans{
			t.Logf("%v unacked=%d probes=%d notsent=%d lastack=%d backoff=%d retrans=%d rto=%d inflight=%d snd_wnd=%d retransmits=%d", time.Since(t0).Round(time.Millisecond), info.Unacked, info.Probes, info.Notsent_bytes, info.Last_ack_recv, info.Backoff, info.Total_retrans, info.Rto, info.Bytes_sent-info.Bytes_acked, info.Snd_wnd, info.Retransmits)
		}
		last = *info
		time.Sleep(time.Millisecond)
	}
}
