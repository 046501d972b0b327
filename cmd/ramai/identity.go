package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/spf13/pflag"

	"ramai/client"
)

// identity is the name of --name, and the session that holds it.
type identity struct {
	name  string
	file  string // where the session is stored; empty: not stored
	notes io.Writer

	mu      sync.Mutex // the screen searches while the session may change
	session string     // guarded by mu
}

func nameFlag(f *pflag.FlagSet, name *string) {
	f.StringVar(name, "name", "", "your name; it is reserved for you on this machine until it has been unused for 24 hours")
}

// newIdentity loads the session of a name on a server. Without one the server creates a session, and may reject the name.
func newIdentity(server, name string, notes io.Writer) *identity {
	who := &identity{name: name, notes: notes}
	if name == "" {
		return who
	}
	folder, err := sessionFolder()
	if err == nil {
		who.file = sessionFile(folder, server, name)
		for _, file := range sessionFiles(folder, server, name) {
			if who.session, err = loadSession(file); who.session != "" || err != nil {
				break
			}
		}
	}
	if err != nil {
		who.warn(err)
	}
	return who
}

func (who *identity) warn(err error) {
	fmt.Fprintf(who.notes, "cannot store the session of %s, so the name may be taken next time: %v\n", client.OneLine(who.name), err)
}

// config adds the name and the session to a configuration.
func (who *identity) config(c client.Config) client.Config {
	who.mu.Lock()
	defer who.mu.Unlock()
	c.Name, c.Session = who.name, who.session
	return c
}

// held stores the session that holds the name.
func (who *identity) held(session string) {
	who.mu.Lock()
	defer who.mu.Unlock()
	if who.file == "" || session == who.session {
		return
	}
	if err := saveSession(who.file, session); err != nil {
		who.warn(err)
		return
	}
	who.session = session
}
