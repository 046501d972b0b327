//go:build !unix

package rehearse

import "time"

// cpu is unknown on this system.
func cpu() time.Duration { return 0 }
