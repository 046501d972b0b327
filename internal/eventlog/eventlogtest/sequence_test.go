package eventlogtest_test

import (
	"crypto/rand"
	"testing"

	"ramai/internal/eventlog"
	"ramai/internal/eventlog/eventlogtest"
	"ramai/internal/store/memory"
)

func TestSequence(t *testing.T) {
	eventlogtest.RunSequence(t, func(t *testing.T) eventlogtest.Location {
		return eventlogtest.Location{Open: func() eventlog.Store {
			s, err := memory.New(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			return s
		}}
	}, 60)
}
