package metrics

import (
	"testing"

	"ramai/internal/eventlog"
)

// Every kind of event is counted, under a name.
func TestKinds(t *testing.T) {
	m := New("test")
	for kind := eventlog.Say; kind <= eventlog.LastKind; kind++ {
		if kinds[kind] == "" {
			t.Errorf("kind %d has no name", kind)
		}
		m.Outcomes([]eventlog.Outcome{{Command: eventlog.Command{Kind: kind}, Status: eventlog.Saved}})
	}
}
