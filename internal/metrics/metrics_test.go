package metrics

import (
	"testing"

	"ramai/internal/eventlog"
)

// Every kind of command has a counter.
func TestKinds(t *testing.T) {
	m := New("test")
	for _, kind := range eventlog.Kinds() {
		if m.commands[outcome{kind, eventlog.Saved}] == nil {
			t.Errorf("the kind %v has no counter", kind)
		}
	}
}
