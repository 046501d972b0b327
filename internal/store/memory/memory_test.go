package memory_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"ramai/internal/journal"
	"ramai/internal/journal/journaltest"
	"ramai/internal/store/memory"
)

func TestStore(t *testing.T) {
	journaltest.Run(t, func(t *testing.T) journaltest.Place {
		return journaltest.Place{Open: func() journal.Store {
			s, err := memory.New(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	})
}

func BenchmarkApply(b *testing.B) {
	journaltest.BenchmarkApply(b, func(b *testing.B) journal.Store {
		s, err := memory.New(rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		return s
	})
}

func TestNoRandomness(t *testing.T) {
	if s, err := memory.New(failing{}); err == nil {
		t.Errorf("New gave a store whose log is %q without randomness", s.Log())
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("no randomness") }
