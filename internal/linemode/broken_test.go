package linemode_test

import (
	"fmt"
	"testing"

	"ramai/client"
	"ramai/internal/exitcode"
	"ramai/internal/linemode"
)

// TestEnded: a broken client is not reported as a refusal of the server.
func TestEnded(t *testing.T) {
	for want, err := range map[int]error{
		exitcode.Refused:     &client.RefusedError{Reason: "full"},
		exitcode.Unconfirmed: fmt.Errorf("wrapped: %w", &client.BrokenError{Value: "a fault"}),
	} {
		if got := exitcode.Of(linemode.Ended(t.Context(), err), -1); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
}
