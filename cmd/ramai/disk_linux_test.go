package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"ramai/wire"
)

// onDisk is a server on a disk that the test controls.
type onDisk struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	out    *transcript
	exited chan struct{}
}

// serveOn starts a server on a folder, as the last arguments of a wrapping command.
func serveOn(t *testing.T, data string, wrap ...string) *onDisk {
	t.Helper()
	args := append(wrap, "ramai", "serve", "--listen", "127.0.0.1:0", "--rate", "0", "--quiet", "--data", data)
	s := &onDisk{t: t, cmd: exec.Command(args[0], args[1:]...), out: &transcript{more: make(chan struct{})}, exited: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir())
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(s.kill)
	found := regexp.MustCompile(`ws://(localhost:\d+)/ `)
	if !s.out.await(s.exited, found.MatchString) {
		return s // it has ended; the reason is in out
	}
	s.url = "http://" + found.FindStringSubmatch(s.out.String())[1]
	return s
}

// kill kills the server and its wrapper.
func (s *onDisk) kill() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.exited
}

// say posts a text under a key, and returns the status and the body of the answer.
func (s *onDisk) say(key, text string) (int, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url+"/api/v1/rooms/den/messages", strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatalf("%v\n%s", err, s.out)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// sayUntil posts a text until it is saved, and returns its number.
func (s *onDisk) sayUntil(key, text string) uint64 {
	s.t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		status, body := s.say(key, text)
		var said wire.PostResponse
		if status == http.StatusCreated || status == http.StatusOK {
			if err := json.Unmarshal([]byte(body), &said); err != nil {
				s.t.Fatal(err)
			}
			return said.N
		}
		if status != http.StatusServiceUnavailable {
			s.t.Fatalf("%s: %d %s", key, status, body)
		}
	}
	s.t.Fatalf("%s is never saved\n%s", key, s.out)
	return 0
}

// has compares the room with the saved messages.
func (s *onDisk) has(saved map[uint64]string) {
	s.t.Helper()
	resp, err := http.Get(s.url + "/api/v1/rooms/den/messages?after=0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var past wire.HistoryResponse
	if err := json.NewDecoder(resp.Body).Decode(&past); err != nil {
		s.t.Fatal(err)
	}
	for i, m := range past.Messages {
		if want, ok := saved[m.N]; m.N != uint64(i+1) || !ok || want != m.Text {
			s.t.Errorf("number %d is %q, saved was %q", m.N, m.Text, want)
		}
	}
	if len(past.Messages) != len(saved) {
		s.t.Errorf("%d messages were saved, but the room has %d", len(saved), len(past.Messages))
	}
}

// TestSyncFails: syncs fail now and then. Every acknowledged message survives a crash of the machine, none is stored twice,
// and the server recovers by itself.
func TestSyncFails(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("strace is missing: make tools installs it")
		}
		t.Skip("strace is missing")
	}
	t.Parallel()
	data := t.TempDir()
	s := serveOn(t, data, "strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync:error=EIO:when=20..200+7", "-e", "inject=fdatasync:error=EIO:when=20..200+7")
	if s.url == "" {
		t.Skipf("strace cannot do that here: %s", s.out)
	}
	saved := map[uint64]string{}
	for i := range 100 {
		text := fmt.Sprint("text ", i)
		n := s.sayUntil(fmt.Sprint("k", i), text)
		if other, ok := saved[n]; ok {
			t.Fatalf("%q and %q have the number %d", text, other, n)
		}
		saved[n] = text
	}
	if !strings.Contains(s.out.String(), "disk I/O error") {
		t.Errorf("no sync has failed:\n%s", s.out)
	}
	s.kill()
	serveOn(t, data).has(saved)
}

// smallDisk mounts a file system of mb MB, and returns its path.
func smallDisk(t *testing.T, mb int) string {
	t.Helper()
	dir := t.TempDir()
	image, mount := filepath.Join(dir, "image"), filepath.Join(dir, "mount")
	if err := os.Mkdir(mount, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, int64(mb)<<20); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range []*exec.Cmd{exec.Command("mkfs.ext4", "-q", "-m", "0", image), exec.Command("mount", "-o", "loop", image, mount)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("a file system cannot be mounted here: %v %s", err, out)
		}
	}
	t.Cleanup(func() { // after the servers have ended
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return mount
}

// fill fills a disk except for leave bytes.
func fill(t *testing.T, path string, leave int64) {
	t.Helper()
	if leave == 0 {
		exec.Command("dd", "if=/dev/zero", "of="+path, "bs=64k").Run() // it ends with an error: no space left
		exec.Command("dd", "if=/dev/zero", "of="+path, "bs=512", "oflag=append", "conv=notrunc").Run()
		return
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &st); err != nil {
		t.Fatal(err)
	}
	size := int64(st.Bavail)*st.Bsize - leave
	if out, err := exec.Command("fallocate", "-l", fmt.Sprint(size), path).CombinedOutput(); err != nil {
		t.Fatalf("fallocate: %v %s", err, out)
	}
}

// TestFullDisk: a full disk refuses messages, and the server recovers without a restart when there is space again.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 64)
	data, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	s := serveOn(t, data)
	saved := map[uint64]string{s.sayUntil("a", "before"): "before"}
	fill(t, filler, 8<<20)
	if status, body := s.say("b", "while it is full"); status != http.StatusServiceUnavailable || !strings.Contains(body, "disk is full") {
		t.Errorf("posting on a full disk: %d %s", status, body)
	}
	if resp, err := http.Get(s.url + "/readyz"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("ready on a full disk: %v %v", resp, err)
	} else {
		resp.Body.Close()
	}
	s.has(saved)
	os.Remove(filler)
	saved[s.sayUntil("b", "while it is full")] = "while it is full"
	s.has(saved)

	// With no byte left, the server starts and serves the stored messages, or reports why it does not.
	s.kill()
	fill(t, filler, 0)
	s = serveOn(t, data)
	if s.url != "" {
		if status, body := s.say("c", "c"); status != http.StatusServiceUnavailable {
			t.Errorf("posting with no byte left: %d %s", status, body)
		}
		s.has(saved)
		s.kill()
	} else if code := s.cmd.ProcessState.ExitCode(); code != exitUnusable || !strings.Contains(s.out.String(), "room") {
		t.Errorf("it ends with %d:\n%s", code, s.out)
	}
	// A new folder cannot be created there, and a failed attempt leaves nothing behind.
	fresh := filepath.Join(disk, "fresh")
	fill(t, filler+"2", 0) // the write-ahead log has left some space
	if s := serveOn(t, fresh); s.url != "" || s.cmd.ProcessState.ExitCode() != exitUnusable {
		t.Errorf("it creates a database without space:\n%s", s.out)
	}
	os.Remove(filler)
	os.Remove(filler + "2")
	s = serveOn(t, data)
	s.has(saved)
	saved[s.sayUntil("c", "c")] = "c"
	s.has(saved)
	saved = map[uint64]string{}
	s = serveOn(t, fresh)
	saved[s.sayUntil("a", "a")] = "a"
	s.has(saved)
}

// TestDiskBecomesReadOnly: the disk becomes read-only, as Linux does with a failing one.
func TestDiskBecomesReadOnly(t *testing.T) {
	disk := smallDisk(t, 64)
	s := serveOn(t, filepath.Join(disk, "data"))
	saved := map[uint64]string{s.sayUntil("a", "before"): "before"}
	if out, err := exec.Command("mount", "-o", "remount,abort", disk).CombinedOutput(); err != nil {
		t.Skipf("remount: %v %s", err, out)
	}
	if status, body := s.say("b", "while it fails"); status != http.StatusServiceUnavailable {
		t.Errorf("posting on a failing disk: %d %s", status, body)
	}
	s.kill()
	if s := serveOn(t, filepath.Join(disk, "data")); s.url != "" || s.cmd.ProcessState.ExitCode() != exitUnusable {
		t.Errorf("it starts on a read-only disk:\n%s", s.out)
	} else if !strings.Contains(s.out.String(), "must be writable") {
		t.Errorf("it does not report the cause:\n%s", s.out)
	}
	image := filepath.Join(filepath.Dir(disk), "image")
	if out, err := exec.Command("sh", "-c", "umount "+disk+" && e2fsck -fy "+image+"; mount -o loop "+image+" "+disk).CombinedOutput(); err != nil {
		t.Fatalf("repairing the disk: %v %s", err, out)
	}
	again := serveOn(t, filepath.Join(disk, "data"))
	n := again.sayUntil("b", "while it fails")
	saved[n] = "while it fails"
	again.has(saved)
}
