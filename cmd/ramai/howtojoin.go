package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"ramai/server"
)

// reach is how clients reach a server.
type reach struct {
	scheme   string // http or https
	host     string
	port     int
	loopback bool // only clients on this machine reach it
}

// reachOf returns how clients reach a server that listens on addr. If that is every address of this machine, it uses the
// one that other machines are likely to use.
func reachOf(addr *net.TCPAddr, encryption server.TLS) reach {
	r := reach{scheme: "http", host: addr.IP.String(), port: addr.Port, loopback: addr.IP.IsLoopback()}
	switch {
	case r.loopback:
		r.host = "localhost"
	case addr.IP.IsUnspecified():
		r.host = networkAddress()
	}
	if encryption.Cert != "" || len(encryption.Domains) > 0 {
		r.scheme = "https"
	}
	if len(encryption.Domains) > 0 {
		r.host = encryption.Domains[0]
	}
	return r
}

// origin is the URL of the server without a path.
func (r reach) origin() string {
	if r.scheme == "http" && r.port == 80 || r.scheme == "https" && r.port == 443 {
		if strings.Contains(r.host, ":") {
			return r.scheme + "://[" + r.host + "]"
		}
		return r.scheme + "://" + r.host
	}
	return r.scheme + "://" + net.JoinHostPort(r.host, strconv.Itoa(r.port))
}

// networkAddress returns the address by which other machines are likely to reach this one.
func networkAddress() string {
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() && n.IP.To4() != nil {
				return n.IP.String()
			}
		}
	}
	return "localhost"
}

// howToJoin says how to join: in a browser, over SSH, and in a terminal. ssh is the address of the SSH server; nil:
// there is none. program is how this program is started.
func howToJoin(r reach, ssh *net.TCPAddr, program string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "Open %s/ in a browser, or join from a terminal:\n\n", r.origin())
	if ssh != nil {
		host := r.host
		if ssh.IP.IsLoopback() {
			host = "localhost"
		} else if r.loopback {
			host = networkAddress()
		}
		fmt.Fprintf(&text, "    ssh -p %d %s\n", ssh.Port, host)
	}
	target := " " + r.origin()
	if r.loopback && r.origin() == "http://localhost:2000" {
		target = ""
	}
	socket := strings.Replace(r.origin(), "http", "ws", 1)
	fmt.Fprintf(&text, "    %s join%s\n\nAny WebSocket client can connect to %s/ (other rooms: %s/r/ROOM)\n", program, target, socket, socket)
	if r.loopback {
		except := ""
		if ssh != nil && !ssh.IP.IsLoopback() {
			except = ", except over SSH, which is open to the network"
		}
		fmt.Fprintf(&text, "Only clients on this machine can join%s. To open it to the network: %s serve --listen 0.0.0.0:%d\n", except, program, r.port)
	}
	return text.String()
}

// sameOutput reports whether what is written to both appears in one place, as on a terminal.
func sameOutput(a, b io.Writer) bool {
	if a == b || isTerminal(a) && isTerminal(b) {
		return true
	}
	fileA, okA := a.(*os.File)
	fileB, okB := b.(*os.File)
	if !okA || !okB {
		return false
	}
	infoA, errA := fileA.Stat()
	infoB, errB := fileB.Stat()
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// startedAs returns how to start this program: its name if it is installed, or the path that it was started by, or go run.
func startedAs() string {
	started := os.Args[0]
	if installed, err := exec.LookPath("ramai"); err == nil {
		here, errHere := os.Executable()
		if errHere == nil && sameFile(installed, here) || isGoRun(started) {
			return "ramai"
		}
	}
	if isGoRun(started) {
		return "go run ./cmd/ramai"
	}
	return started
}

// isGoRun reports whether a program was built and started by go run, which puts it into a folder for one run.
func isGoRun(path string) bool {
	return strings.Contains(filepath.ToSlash(path), "/go-build") && strings.Contains(filepath.ToSlash(path), "/exe/")
}

func sameFile(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
