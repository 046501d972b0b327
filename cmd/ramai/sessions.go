package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"ramai/internal/atomicfile"
	"ramai/internal/origin"
	"ramai/wire"
)

// A session holds a name. It is stored in a file for each server and name, so that the next run has the same name. It is a
// secret: the file has mode 0600 in a folder with mode 0700.

// sessionFile returns the file for the session of a name on a server. All spellings of a server have the same file.
func sessionFile(folder, server, name string) string { return fileFor(folder, originOf(server), name) }

// sessionFiles returns the files that may contain the session of a name on a server. With TLS, they include the file from the
// time before TLS. The reverse would send the session to a server that is not authenticated.
func sessionFiles(folder, server, name string) []string {
	at := originOf(server)
	files := []string{fileFor(folder, at, name)}
	if before := (origin.Origin{Scheme: "http", Host: at.Host}); at.Upgrades(before) {
		files = append(files, fileFor(folder, before, name))
	}
	return files
}

func fileFor(folder string, at origin.Origin, name string) string {
	sum := sha256.Sum256([]byte(at.String() + "\n" + name))
	return filepath.Join(folder, hex.EncodeToString(sum[:16]))
}

// originOf returns the canonical origin of a server. All names of this machine count as one host, because a port has only one
// server.
func originOf(server string) origin.Origin {
	u, err := url.Parse(server)
	if err != nil { // checkServer has validated it
		return origin.Origin{Host: server}
	}
	host := u.Host
	switch origin.Hostname(host) {
	case "localhost", "::1":
		host = "127.0.0.1"
		if port := u.Port(); port != "" {
			host += ":" + port
		}
	}
	return origin.Of(u.Scheme, host)
}

// stateFolder returns $XDG_STATE_HOME/ramai/PART, or its equivalent on the system.
func stateFolder(part string) (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ramai", part), nil
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "ramai", part), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "state", "ramai", part), err
}

// sessionFolder returns the folder for sessions.
func sessionFolder() (string, error) { return stateFolder("sessions") }

// loadSession returns the session in a file; empty: there is none, or it is invalid.
func loadSession(file string) (string, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	session := strings.TrimSpace(string(b))
	if err != nil || wire.CheckSession(session) != nil {
		return "", err
	}
	return session, nil
}

// saveSession stores a session.
func saveSession(file, session string) error { return atomicfile.Write(file, []byte(session+"\n")) }
