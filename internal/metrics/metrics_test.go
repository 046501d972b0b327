package metrics

import (
	"testing"

	"ramai/internal/journal"
)

// Every kind of event is counted, under a name.
func TestKinds(t *testing.T) {
	m := New("test")
	for kind := journal.Say; kind <= journal.LastKind; kind++ {
		if kinds[kind] == "" {
			t.Errorf("kind %d has no name", kind)
		}
		m.Outcomes([]journal.Outcome{{Event: journal.Event{Kind: kind}, Verdict: journal.Saved}})
	}
}
