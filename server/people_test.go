package server

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/wire"
)

// TestPeopleOfCluster: every member knows who is connected to the others, and says so to those who may read the room.
func TestPeopleOfCluster(t *testing.T) {
	members := startMembers(t, testCluster(t)...)
	var urls []string
	for _, m := range members {
		web := httptest.NewServer(m.server.Handler())
		t.Cleanup(web.Close)
		urls = append(urls, web.URL)
	}
	sessions := map[string]string{"anna": "AAAAAAAAAAAAAAAAAAAAAA", "budi": "BBBBBBBBBBBBBBBBBBBBBA"}
	request := func(member int, method, path, sender, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, urls[member]+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+sessions[sender])
		r.Header.Set("Content-Type", "text/plain")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	read := func(member int, path, sender string) (int, string) {
		t.Helper()
		resp := request(member, http.MethodGet, path, sender, "")
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	await := func(what string, condition func() bool) {
		t.Helper()
		for begun := time.Now(); !condition(); time.Sleep(20 * time.Millisecond) {
			if time.Since(begun) > time.Minute {
				t.Fatalf("%s did not happen within a minute", what)
			}
		}
	}
	for _, room := range []string{"den", "hall"} {
		if resp := request(0, http.MethodPost, "/api/v1/rooms/"+room+"/messages?name=anna", "anna", "hello"); resp.StatusCode != http.StatusCreated {
			t.Fatalf("post: %s", resp.Status)
		}
	}
	if _, err := members[0].server.chat.Operator().Set(t.Context(), chat.Setting{Room: "den", ID: "private", Key: "everyone", Value: wire.TextValue("none")}); err != nil {
		t.Fatal(err)
	}
	for _, room := range []string{"den", "hall"} {
		if resp := request(0, http.MethodGet, "/api/v1/rooms/"+room+"/stream", "anna", ""); resp.StatusCode != http.StatusOK {
			t.Fatalf("follow %s: %s", room, resp.Status)
		}
	}
	const people = "/api/v1/rooms/den/people"
	for member := 1; member < 3; member++ {
		await(fmt.Sprint("the person on the first member at member ", member), func() bool {
			status, body := read(member, people, "anna")
			return status == http.StatusOK && strings.Contains(body, `"count":1`)
		})
		for path, want := range map[string]int{people: http.StatusForbidden, "/api/v1/rooms": http.StatusOK} {
			if status, body := read(member, path, "budi"); status != want || strings.Contains(body, "den") && path != people || strings.Contains(body, "anna") || strings.Contains(body, `"count":1,"room":"den"`) {
				t.Errorf("%s at member %d for somebody who may not read the room: %d %s", path, member, status, body)
			}
		}
		if status, body := read(member, "/api/v1/rooms/hall/people", "budi"); status != http.StatusOK || !strings.Contains(body, `"count":1`) {
			t.Errorf("an open room at member %d: %d %s", member, status, body)
		}
	}
	members[0].stop()
	if err := <-members[0].done; err != nil {
		t.Error(err)
	}
	await("the end of the connection", func() bool { return members[1].server.hub.Count("den") == 0 && members[2].server.hub.Count("den") == 0 })

}
