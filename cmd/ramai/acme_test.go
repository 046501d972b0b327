package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// pebble builds the ACME test server of Let's Encrypt, and a DNS server for it, once.
var pebble = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "pebble")
	if err != nil {
		return "", err
	}
	const commands = "github.com/letsencrypt/pebble/v2/cmd/"
	cmd := exec.Command("go", "build", "-modfile=../../tools/pebble.mod", "-o", dir, commands+"pebble", commands+"pebble-challtestsrv")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir, nil
})

// authority starts an ACME server. See TestScripts.
func authority(ts *testscript.TestScript, _ bool, _ []string) {
	programs, err := pebble()
	ts.Check(err)
	ts.Defer(func() { os.RemoveAll(programs) })
	certify(ts, false, []string{"authority", "10"})
	names, manage, dir, roots, here := freePort(ts), freePort(ts), freePort(ts), freePort(ts), freePort(ts)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": dir, "managementListenAddress": roots,
		"certificate": ts.MkAbs("authority.pem"), "privateKey": ts.MkAbs("authority.key"),
		"tlsPort": portOf(ts, here), "httpPort": portOf(ts, here), "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "all", "validityPeriod": 7776000}},
	}})
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("pebble.json"), config, 0o600))
	background(ts, exec.Command(filepath.Join(programs, "pebble-challtestsrv"), "-management", manage, "-dns01", names,
		"-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", "", "-defaultIPv6", "", "-defaultIPv4", "127.0.0.1"))
	acme := exec.Command(filepath.Join(programs, "pebble"), "-config", ts.MkAbs("pebble.json"), "-dnsserver", names)
	acme.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	background(ts, acme)
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		if nc, err := net.Dial("tcp", dir); err == nil {
			nc.Close()
			break
		} else if time.Now().After(deadline) {
			ts.Fatalf("the ACME server does not start: %v", err)
		}
	}
	ts.Setenv("SSL_CERT_FILE", ts.MkAbs("authority.pem"))
	ts.Setenv("DIRECTORY", "https://"+dir+"/dir")
	ts.Setenv("ROOTS", "https://"+roots+"/roots/0")
	ts.Setenv("PORT", fmt.Sprint(portOf(ts, here)))
}

// background runs cmd until the script ends.
func background(ts *testscript.TestScript, cmd *exec.Cmd) {
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
}

// freePort returns an address of this machine that is free now.
func freePort(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().String()
}

func portOf(ts *testscript.TestScript, address string) int {
	a, err := net.ResolveTCPAddr("tcp", address)
	ts.Check(err)
	return a.Port
}
