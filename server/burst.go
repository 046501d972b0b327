package server

// burstSize is how many clients must connect in a burst for the memory of their handshakes to be worth returning.
const burstSize = 500

// burstDetector notices when a burst of new connections is over. Handshakes take many times the memory that sessions keep,
// and without an additional collection the process would hold on to it for minutes.
type burstDetector struct {
	handled  int64 // sessions accepted when memory was returned last
	previous int64 // sessions accepted a second ago
	quiet    int   // seconds with few new sessions
}

// over is called once a second with the number of sessions accepted since the start. It reports whether a burst ended 5 s
// ago.
func (d *burstDetector) over(accepted int64) bool {
	d.quiet++
	if accepted-d.previous > burstSize/10 {
		d.quiet = 0
	}
	d.previous = accepted
	if d.quiet < 5 {
		return false
	}
	count := accepted - d.handled
	d.handled = accepted // slow arrivals do not add up to a burst
	return count >= burstSize
}
