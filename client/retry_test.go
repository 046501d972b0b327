package client

import (
	"testing"
	"time"
)

// TestRetry: Retry ends the wait before the next attempt to connect, even if it is called just before the wait.
func TestRetry(t *testing.T) {
	c, err := newClient(Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.cancel()
	c.Retry()
	if !c.sleep(time.Hour) {
		t.Error("the client has ended")
	}
	c.link = new(link)
	c.Retry()
	if len(c.retry) > 0 {
		t.Error("a call during a connection affects the next wait")
	}
}
