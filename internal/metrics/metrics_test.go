package metrics

import (
	"testing"

	"ramai/internal/eventlog"
)

// Every kind of command has a counter.
func TestKinds(t *testing.T) {
	for kind := eventlog.Say; kind <= eventlog.LastKind; kind++ {
		if kinds[kind] == "" {
			t.Errorf("kind %d has no name", kind)
		}
	}
}
