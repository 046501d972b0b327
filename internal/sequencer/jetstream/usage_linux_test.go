package jetstream

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server/pse"
)

// TestUsageTimer checks that the timer of package pse has nothing to read, so that an idle client does not wake every second.
func TestUsageTimer(t *testing.T) {
	var cpu float64
	var resident, virtual int64
	if err := pse.ProcUsage(&cpu, &resident, &virtual); err == nil {
		t.Error("package pse still reads the usage of the process once a second: has procStatFile another name now?")
	}
}
