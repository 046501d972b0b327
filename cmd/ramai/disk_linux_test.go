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

// onDisk is a server whose disk a test has in its hands.
type onDisk struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	out    *transcript
	exited chan struct{}
}

// serveOn starts a server on a folder, by a command that ends in its arguments.
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
		return s // it has ended, and why is in out
	}
	s.url = "http://" + found.FindStringSubmatch(s.out.String())[1]
	return s
}

// kill ends the server, and whoever watches it, without a word.
func (s *onDisk) kill() {
	syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.exited
}

// say says a text under a key, and returns the status and the body of the answer.
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

// sayUntil says a text until it is saved, and returns under which number.
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

// has compares the room with what was saved.
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
		s.t.Errorf("%d messages were saved, and there are %d", len(saved), len(past.Messages))
	}
}

// Now and then a sync fails, and again after that. Nothing is acknowledged that is not there after the machine's end,
// nothing is there twice, and the server goes on by itself.
func TestSyncFails(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("there is no strace: make tools installs it")
		}
		t.Skip("there is no strace")
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

// smallDisk mounts a file system of some MB, and returns where.
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
	t.Cleanup(func() { // after the servers are gone
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return mount
}

// fill leaves so many bytes of a disk, or with 0 not one.
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

// A full disk refuses what is said, and everything goes on when there is space again, without a restart.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t, 64)
	data, filler := filepath.Join(disk, "data"), filepath.Join(disk, "filler")
	s := serveOn(t, data)
	saved := map[uint64]string{s.sayUntil("a", "before"): "before"}
	fill(t, filler, 8<<20)
	if status, body := s.say("b", "while it is full"); status != http.StatusServiceUnavailable || !strings.Contains(body, "disk is full") {
		t.Errorf("saying on a full disk: %d %s", status, body)
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

	// Without a byte left it starts and tells what was said, or says why it does not.
	s.kill()
	fill(t, filler, 0)
	s = serveOn(t, data)
	if s.url != "" {
		if status, body := s.say("c", "c"); status != http.StatusServiceUnavailable {
			t.Errorf("saying without a byte left: %d %s", status, body)
		}
		s.has(saved)
		s.kill()
	} else if code := s.cmd.ProcessState.ExitCode(); code != exitUnusable || !strings.Contains(s.out.String(), "room") {
		t.Errorf("it ends with %d:\n%s", code, s.out)
	}
	// A new folder cannot be made there, and nothing is left of the try.
	fresh := filepath.Join(disk, "fresh")
	fill(t, filler+"2", 0) // the write-ahead log has left some
	if s := serveOn(t, fresh); s.url != "" || s.cmd.ProcessState.ExitCode() != exitUnusable {
		t.Errorf("it makes a database without space:\n%s", s.out)
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

// A disk that can only be read all of a sudden, as Linux makes of one that fails.
func TestDiskBecomesReadOnly(t *testing.T) {
	disk := smallDisk(t, 64)
	s := serveOn(t, filepath.Join(disk, "data"))
	saved := map[uint64]string{s.sayUntil("a", "before"): "before"}
	if out, err := exec.Command("mount", "-o", "remount,abort", disk).CombinedOutput(); err != nil {
		t.Skipf("remount: %v %s", err, out)
	}
	if status, body := s.say("b", "while it fails"); status != http.StatusServiceUnavailable {
		t.Errorf("saying on a disk that fails: %d %s", status, body)
	}
	s.kill()
	if s := serveOn(t, filepath.Join(disk, "data")); s.url != "" || s.cmd.ProcessState.ExitCode() != exitUnusable {
		t.Errorf("it starts on a disk that can only be read:\n%s", s.out)
	} else if !strings.Contains(s.out.String(), "must be writable") {
		t.Errorf("it does not say what is wrong:\n%s", s.out)
	}
	image := filepath.Join(filepath.Dir(disk), "image")
	if out, err := exec.Command("sh", "-c", "umount "+disk+" && e2fsck -fy "+image+"; mount -o loop "+image+" "+disk).CombinedOutput(); err != nil {
		t.Fatalf("mending the disk: %v %s", err, out)
	}
	again := serveOn(t, filepath.Join(disk, "data"))
	n := again.sayUntil("b", "while it fails")
	saved[n] = "while it fails"
	again.has(saved)
}
