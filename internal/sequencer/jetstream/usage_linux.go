package jetstream

import (
	_ "unsafe" // for go:linkname

	_ "github.com/nats-io/nats-server/v2/server/pse" // initialized first
)

// Importing the NATS server starts a timer that reads the CPU usage of the process from this file once a second, in clients, too.
// The usage is shown only by NATS's monitoring, which ramai does not have. The timer ends for good when the file cannot be read.
//
//go:linkname procStatFile github.com/nats-io/nats-server/v2/server/pse.procStatFile
var procStatFile string

func init() { endUsageTimer() }

// endUsageTimer changes only the length, so that the timer never sees a torn string.
//
//go:norace
func endUsageTimer() { procStatFile = procStatFile[:0] }
