// Package proxytest runs the proxies of docs/PROXIES.md in tests, with the configuration documented there.
package proxytest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Host is the host name in the documented configurations and in the certificate made by Start.
const Host = "chat.example.org"

// proxy describes how to run a kind of proxy.
type proxy struct {
	lang     string // language of its code block in the document
	command  []string
	template string // the configuration around the documented part, SITE
	// replacements are applied to the documented part. DIR, ADDRESS, PORT and BACKEND stand for their values in the
	// test.
	replacements map[string]string
}

var proxies = map[string]proxy{
	"nginx": {
		lang:    "nginx",
		command: []string{"nginx", "-p", "DIR", "-c", "DIR/config"},
		template: "daemon off; master_process off; pid DIR/pid; error_log stderr;\nevents {}\nhttp {\naccess_log off;\n" +
			"client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;\nSITE}\n",
		replacements: map[string]string{
			"listen 443 ssl": "listen ADDRESS ssl", "/etc/ssl/chat.example.org.pem": "DIR/cert", "/etc/ssl/chat.example.org.key": "DIR/key",
			"http://127.0.0.1:2000": "http://BACKEND",
		},
	},
	"haproxy": {
		lang:         "haproxy",
		command:      []string{"haproxy", "-db", "-f", "DIR/config"},
		template:     "SITE",
		replacements: map[string]string{"bind :443": "bind ADDRESS", "/etc/ssl/chat.example.org.both.pem": "DIR/both", "127.0.0.1:2000": "BACKEND"},
	},
	"caddy": {
		lang:         "caddy",
		command:      []string{"caddy", "run", "--adapter", "caddyfile", "--config", "DIR/config"},
		template:     "{\n\tadmin off\n\tauto_https off\n\tstorage file_system DIR/storage\n}\nSITE",
		replacements: map[string]string{"chat.example.org {": "https://chat.example.org:PORT {\n\tbind 127.0.0.1\n\ttls DIR/cert DIR/key", "127.0.0.1:2000": "BACKEND"},
	},
	"apache2": {
		lang:    "apache",
		command: []string{"apache2", "-X", "-f", "DIR/config"},
		template: "ServerRoot DIR\nServerName localhost\nPidFile DIR/pid\nErrorLog /dev/stderr\nMutex file:DIR default\nListen ADDRESS\n" +
			modules("mpm_event", "authz_core", "ssl", "proxy", "proxy_http", "headers", "socache_shmcb") + "SITE",
		replacements: map[string]string{
			"*:443": "ADDRESS", "/etc/ssl/chat.example.org.pem": "DIR/cert", "/etc/ssl/chat.example.org.key": "DIR/key", "127.0.0.1:2000": "BACKEND",
		},
	},
}

func modules(names ...string) (lines string) {
	for _, name := range names {
		lines += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
	}
	return lines
}

// Start runs a proxy in front of backend, a host and a port, until the test ends. It returns the host and port where
// the proxy speaks TLS. Each pair of change is a text in the configuration and its replacement. In it, DIR stands for a
// folder that holds files. If the program is missing, the test is skipped, or fails in CI.
func Start(t testing.TB, name, backend string, files map[string]string, change ...string) (address string) {
	t.Helper()
	p := proxies[name]
	if _, err := exec.LookPath(p.command[0]); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed; run make tools", name)
		}
		t.Skipf("%s is not installed; run make tools", name)
	}
	dir := t.TempDir()
	address = freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	expand := strings.NewReplacer("DIR", dir, "ADDRESS", address, "PORT", port, "BACKEND", backend)
	site := documentedConfig(t, p.lang)
	for old, new := range p.replacements {
		site = replace(t, site, old, new)
	}
	for i := 0; i < len(change); i += 2 {
		site = replace(t, site, change[i], change[i+1])
	}
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	SelfSigned(t, cert, key)
	concatenate(t, filepath.Join(dir, "both"), cert, key)
	for file, content := range files {
		write(t, filepath.Join(dir, file), []byte(content))
	}
	write(t, filepath.Join(dir, "config"), []byte(expand.Replace(strings.Replace(p.template, "SITE", site, 1))))
	run(t, dir, address, expand, p.command)
	return address
}

// documentedConfig returns the configuration in the document.
func documentedConfig(t testing.TB, lang string) string {
	root := "."
	for range 10 {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		root = filepath.Join(root, "..")
	}
	text, err := os.ReadFile(filepath.Join(root, "docs/PROXIES.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, site, found := strings.Cut(string(text), "```"+lang+"\n")
	site, _, ended := strings.Cut(site, "```")
	if !found || !ended {
		t.Fatalf("docs/PROXIES.md has no configuration for %s", lang)
	}
	return site
}

func replace(t testing.TB, s, old, new string) string {
	t.Helper()
	if !strings.Contains(s, old) {
		t.Fatalf("docs/PROXIES.md does not contain %q", old)
	}
	return strings.ReplaceAll(s, old, new)
}

// run starts a proxy and waits until it listens.
func run(t testing.TB, dir, address string, expand *strings.Replacer, command []string) {
	t.Helper()
	var args []string
	for _, arg := range command[1:] {
		args = append(args, expand.Replace(arg))
	}
	var output Buffer
	cmd := exec.Command(command[0], args...)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", command[0], output.String())
		}
	})
	for range 600 {
		if nc, err := net.Dial("tcp", address); err == nil {
			nc.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("%s exited: %s", command[0], output.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen: %s", command[0], output.String())
}

// freeAddress returns a loopback address with an unused port.
func freeAddress(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// SelfSigned writes a certificate for Host and its key into two files.
func SelfSigned(t testing.TB, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{Host}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

// concatenate writes the contents of files into one.
func concatenate(t testing.TB, into string, files ...string) {
	t.Helper()
	var all []byte
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	write(t, into, all)
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A Buffer is a bytes.Buffer that is safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *Buffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *Buffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
