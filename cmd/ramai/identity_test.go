package main

import (
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"ramai/client"
)

// TestIdentity: a search uses the stored session while another one may be stored.
func TestIdentity(t *testing.T) {
	who := &identity{name: "anna", file: filepath.Join(t.TempDir(), "anna"), notes: io.Discard}
	var searches sync.WaitGroup
	for range 4 {
		searches.Go(func() { who.config(client.Config{}) })
	}
	for i := range 4 {
		who.held(fmt.Sprintf("session%015d", i))
	}
	searches.Wait()
	if c := who.config(client.Config{}); c.Name != "anna" || c.Session != "session000000000000003" {
		t.Errorf("the search is by %q with %q", c.Name, c.Session)
	}
}
