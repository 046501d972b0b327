package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/localsocket"
	"ramai/server"
	"ramai/wire"
)

// operate sends a request over the socket in a data folder.
func operate(t *testing.T, data, method, path, body string) (int, string) {
	t.Helper()
	over := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return localsocket.Dial(ctx, filepath.Join(data, server.SocketName))
	}}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://ramai"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := over.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// filesWith returns which files of a folder have which of some texts.
func filesWith(t *testing.T, dir string, texts ...string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		for _, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				found = append(found, fmt.Sprintf("%s: %q", d.Name(), text))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestErasePerson: everything of a person is exported, then erased on a running server, and a day later it is in no file of the data
// folder. Nothing of others is lost.
func TestErasePerson(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := func(c *server.Config) {
		acceptTokens(t, c)
		c.Data, c.Durability = dir, server.Normal
	}
	s := serve(t, config)
	base := "http" + strings.TrimPrefix(s.url, "ws")
	const name, subject = "Zquibbel", "zsubjecttrace"
	texts := []string{"zfirsttrace", "zsecondtrace", "zthirdtrace", "zeditedtrace", "ztopictrace"}
	anna, welcome := greeted(t, base, wire.Hello{Session: strings.Repeat("A", wire.SessionLen), Token: newToken(t, subject, name)})
	by, asAnna, asBert := welcome.SenderID, bearer(welcome.Session), bearer(strings.Repeat("B", wire.SessionLen))
	one := post(t, base, "lobby", texts[0], asAnna...)
	post(t, base, "den", "honest common", asBert...)
	post(t, base, "den", texts[1]+" common", asAnna...)
	room := base + "/api/v1/rooms/den"
	request := func(method, address, body string, as []string) {
		t.Helper()
		if resp, answer := call(t, method, address, body, append([]string{"Content-Type", "application/json"}, as...)...); resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %d %s", method, address, resp.StatusCode, answer)
		}
	}
	request(http.MethodPatch, fmt.Sprintf("%s/api/v1/rooms/lobby/messages/%d", base, one.N), `{"id":"ztraceid","text":"`+texts[3]+`"}`, asAnna)
	request(http.MethodPut, room+"/messages/1/marks/up", "", asAnna)
	request(http.MethodPut, room+"/messages/1/marks/up", "", asBert)
	anna.say(string(wire.Append(nil, wire.Set{Room: "lobby", ID: "t1", Key: wire.TopicKey, Value: wire.TextValue(texts[4])})))
	frame[wire.Saved](anna)
	request(http.MethodPut, base+"/api/v1/rooms/lobby/messages/1/marks/up", "", asAnna)
	for _, set := range []wire.Set{
		{Room: "den", ID: "r1", Key: wire.RolePrefix + by, Value: wire.TextValue("moderator")}, {Room: "lobby", ID: "r2", Key: wire.PersonPrefix + by, Value: wire.TextValue(wire.Mute)},
		{Room: "lobby", ID: "r3", Key: wire.TopicKey, Value: wire.TextValue("Tea")},
	} {
		if status, answer := operate(t, dir, http.MethodPost, server.SetPath, string(wire.Append(nil, set))); status != http.StatusOK {
			t.Fatalf("%+v: %d %s", set, status, answer)
		}
	}
	anna.say(string(wire.Append(nil, wire.Invite{Room: "den", ID: "i1", Role: wire.RoleGuest})))
	secret := frame[wire.Invited](anna).Invite
	found(t, base+"/api/v1/search?q=common")

	// The export has everything but secrets.
	_, export := operate(t, dir, http.MethodGet, server.ExportPath+"?by="+url.QueryEscape(by), "")
	types := map[string]int{}
	var last chat.ExportEnd
	for line := range strings.Lines(export) {
		last = chat.ExportEnd{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		types[last.Type]++
	}
	want := map[string]int{"person": 1, "proof": 1, "session": 1, "rule": 2, "invite": 1, "message": 3, "changed": 1, "state": 1, "mark": 2, "end": 1}
	if fmt.Sprint(types) != fmt.Sprint(want) || last.Lines != strings.Count(export, "\n")-1 {
		t.Errorf("the export has the lines %v, want %v:\n%s", types, want, export)
	}
	for _, text := range append(texts[1:2], texts[3], texts[4], name, subject, by) {
		if !strings.Contains(export, text) {
			t.Errorf("the export has no %q", text)
		}
	}
	if strings.Contains(export, welcome.Session) || strings.Contains(export, secret) || strings.Contains(export, eventlog.DigestOf(secret)) {
		t.Errorf("the export has a secret:\n%s", export)
	}

	// What there is, by name, and without erasing it.
	if _, list := operate(t, dir, http.MethodGet, server.PeoplePath+"?name="+name, ""); !strings.Contains(list, `"by":"`+by+`"`) || strings.Count(list, "\n") != 1 {
		t.Errorf("of the name %s there are %s", name, list)
	}
	counted := chat.Person{SenderID: by, Names: []string{name}, Rooms: 4, Messages: 2, Records: 7, Marks: 2, Rules: 2, Proofs: 1, Sessions: 1, Entries: 1}
	for _, dry := range []bool{true, false} {
		body, err := json.Marshal(server.ErasePerson{SenderID: by, Dry: dry})
		if err != nil {
			t.Fatal(err)
		}
		reader := dial(t, base, wire.Protocol)
		reader.say(`{"type":"join","room":"den","last":10}`)
		frame[wire.Joined](reader)
		status, answer := operate(t, dir, http.MethodPost, server.ErasePath, string(body))
		var got chat.Person
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusOK || fmt.Sprint(got) != fmt.Sprint(counted) {
			t.Fatalf("dry %v: %d %s (%v), want %+v", dry, status, answer, err, counted)
		}
		if dry {
			if len(filesWith(t, dir, append(texts, name, subject, by)...)) < len(texts) {
				t.Fatal("the files have too little before it is erased, so the test proves nothing")
			}
			continue
		}
		if changed := frame[wire.Changed](reader); changed.Room != "den" || len(changed.Of) != 1 || changed.Of[0] != (wire.Range{From: 2, To: 2}) || changed.Text != nil {
			t.Errorf("a reader has received %+v", changed)
		}
	}
	anna.ends()
	if resp, _ := call(t, http.MethodPost, base+"/api/v1/rooms/den/messages", "x", append(asAnna, "Content-Type", "text/plain")...); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the session counts: %d", resp.StatusCode)
	}
	_, page := call(t, http.MethodGet, room+"/messages?limit=10", "")
	if !strings.Contains(page, "honest common") || !strings.Contains(page, `"gone":true`) || strings.Contains(page, by) || strings.Contains(page, name) {
		t.Errorf("the page is %s", page)
	}
	if hits, body := found(t, base+"/api/v1/search?q=common"); len(hits.Hits) != 1 {
		t.Errorf("the search has %s", body)
	}
	_, export = operate(t, dir, http.MethodGet, server.ExportPath+"?by="+url.QueryEscape(by), "")
	if got := strings.Count(export, "\n"); got != 2 {
		t.Errorf("afterwards the export is\n%s", export)
	}
	s.stop()
	<-s.done

	// A day later.
	later := serve(t, func(c *server.Config) {
		config(c)
		c.Now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	})
	base = "http" + strings.TrimPrefix(later.url, "ws")
	traces := append(slices.Clone(texts), name, strings.ToLower(name), subject, by, "ztraceid", welcome.Session)
	deadline := time.Now().Add(time.Minute)
	for left := filesWith(t, dir, traces...); len(left) > 0; left = filesWith(t, dir, traces...) {
		if time.Now().After(deadline) {
			t.Fatalf("these are left: %q", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if hits, body := found(t, base+"/api/v1/search?q=honest"); len(hits.Hits) != 1 {
		t.Errorf("somebody else's message is not found: %s", body)
	}
	later.stop()
	<-later.done
}
