package server

import "testing"

// A storm is over when few have come for 5 s; then, once, memory is given back.
func TestCalm(t *testing.T) {
	var c calm
	arrived := int64(0)
	tell := func(come int64) bool {
		arrived += come
		return c.after(arrived)
	}
	for range 600 { // a trickle is no storm
		if tell(storm / 20) {
			t.Fatalf("calm after a trickle of %d", arrived)
		}
	}
	c = calm{settled: arrived, before: arrived}
	for range 3 {
		if tell(storm) {
			t.Fatal("calm in the middle of a storm")
		}
	}
	quiet := 1
	for !tell(1) {
		if quiet++; quiet > 10 {
			t.Fatal("never calm")
		}
	}
	if quiet != 5 {
		t.Errorf("calm after %d quiet seconds, want 5", quiet)
	}
	for range 100 {
		if tell(1) {
			t.Fatal("calm a second time after one storm")
		}
	}
}
