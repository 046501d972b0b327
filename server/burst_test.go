package server

import "testing"

// TestBurstDetector: a burst is over when few clients have connected for 5 s. It is reported once.
func TestBurstDetector(t *testing.T) {
	var d burstDetector
	accepted := int64(0)
	connect := func(clients int64) bool {
		accepted += clients
		return d.over(accepted)
	}
	for range 600 {
		if connect(burstSize / 20) {
			t.Fatalf("a slow stream of %d clients is reported as a burst", accepted)
		}
	}
	d = burstDetector{handled: accepted, previous: accepted}
	for range 3 {
		if connect(burstSize) {
			t.Fatal("reported in the middle of the burst")
		}
	}
	quiet := 1
	for !connect(1) {
		if quiet++; quiet > 10 {
			t.Fatal("the burst is never reported")
		}
	}
	if quiet != 5 {
		t.Errorf("reported after %d quiet seconds, want 5", quiet)
	}
	for range 100 {
		if connect(1) {
			t.Fatal("one burst is reported twice")
		}
	}
}
