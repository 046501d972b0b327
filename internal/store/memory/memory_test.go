package memory_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/store/memory"
)

func TestStore(t *testing.T) {
	eventlogtest.RunStore(t, func(t *testing.T) eventlogtest.Location {
		return eventlogtest.Location{Open: func() eventlog.Store {
			s, err := memory.New(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	})
}

func BenchmarkApply(b *testing.B) {
	eventlogtest.BenchmarkApply(b, func(b *testing.B) eventlog.Store {
		s, err := memory.New(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}

func TestNoRandomness(t *testing.T) {
	if s, err := memory.New(failing{}); err == nil {
		t.Errorf("New gave a store whose log is %q without randomness", s.HistoryID())
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no randomness") }
