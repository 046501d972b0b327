package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/spf13/pflag"

	"ramai/client"
)

// identity is the name that --name asks for, and the session it belongs to.
type identity struct {
	name  string
	file  string // where the session is kept; empty: nowhere
	notes io.Writer

	mu      sync.Mutex // a screen searches while it may hear of a name
	session string     // as it was kept, or is by now
}

func nameFlag(f *pflag.FlagSet, name *string) {
	f.StringVar(name, "name", "", "your name; it stays yours on this machine until it was not used for 24 hours")
}

// newIdentity finds the session of name at server. Without one there is a new one, and the name may be somebody's.
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
		who.complain(err)
	}
	return who
}

func (who *identity) complain(err error) {
	fmt.Fprintf(who.notes, "the session of %s cannot be kept, so the name may be taken next time: %v\n", client.OneLine(who.name), err)
}

// config adds who is there to whom to connect to.
func (who *identity) config(c client.Config) client.Config {
	who.mu.Lock()
	defer who.mu.Unlock()
	c.Name, c.Session = who.name, who.session
	return c
}

// held keeps the session that holds the name.
func (who *identity) held(session string) {
	who.mu.Lock()
	defer who.mu.Unlock()
	if who.file == "" || session == who.session {
		return
	}
	if err := saveSession(who.file, session); err != nil {
		who.complain(err)
		return
	}
	who.session = session
}
