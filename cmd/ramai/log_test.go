package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestUnreadLog: a log that nobody reads blocks neither posting nor the exit of the server.
func TestUnreadLog(t *testing.T) {
	unread, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	out, stdout := io.Pipe()
	defer stdout.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--in-memory", "--listen", "127.0.0.1:0", "--rate", "0", "--log-texts"}, nil, stdout, stderr)
	}()
	var url string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		url = regexp.MustCompile(`http://localhost:[0-9]+`).FindString(lines.Text())
	}
	go io.Copy(io.Discard, out)
	const texts, size = 500, 190 // more than a pipe holds
	for range texts {
		resp, err := http.Post(url+"/api/v1/rooms/lobby/messages", "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusCreated {
			t.Fatal(resp.Status)
		}
	}
	cancel()
	unread.Close() // otherwise the exit would wait for its last lines
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d", code)
	}
}
