package commands

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ramai/internal/names"
	"ramai/internal/nearest"
	"ramai/wire"
)

// maxPeople is how many senders with their names are remembered. Of more, those who have been silent for the longest time are dropped.
const maxPeople = 1000

// People are the senders of a room's messages, each under each name they had, those with the newest messages first. The zero value is
// empty.
type People struct{ all []Person }

// A Person is a sender under a name.
type Person struct {
	ID   string
	Name string    // empty: without one
	N    uint64    // number of their newest message under that name
	At   time.Time // of that message
}

// Saw notes the sender of a message. Messages may come in any order.
func (p *People) Saw(m wire.Message) {
	if m.SenderID == "" {
		return
	}
	seen := Person{m.SenderID, m.DisplayName, m.N, m.At.Std()}
	i := slices.IndexFunc(p.all, func(q Person) bool { return q.ID == seen.ID && q.Name == seen.Name })
	switch {
	case i >= 0 && p.all[i].N >= seen.N:
		return
	case i >= 0:
		p.all = slices.Delete(p.all, i, i+1)
	}
	at, _ := slices.BinarySearchFunc(p.all, seen.N, func(q Person, n uint64) int {
		if q.N > n {
			return -1
		}
		return 1
	})
	if p.all = slices.Insert(p.all, at, seen); len(p.all) > maxPeople {
		p.all = p.all[:maxPeople]
	}
}

// With returns the newest of a sender, or a Person with nothing but the id.
func (p *People) With(id string) Person {
	for _, q := range p.all {
		if q.ID == id {
			return q
		}
	}
	return Person{ID: id}
}

// Names returns the names of all senders except one, the latest first, each once.
func (p *People) Names(except string) (all []string) {
	for _, q := range p.all {
		if q.ID != except && q.Name != "" && !slices.Contains(all, q.Name) {
			all = append(all, q.Name)
		}
	}
	return all
}

// Label is how a sender is called: by the name, or as a guest with the beginning of the id.
func (p Person) Label() string {
	if p.Name != "" {
		return p.Name
	}
	return GuestLabel(p.ID)
}

// guest begins the label of a sender without a name.
const guest = "guest "

// GuestLabel is how a sender without a name is called.
func GuestLabel(id string) string {
	if len(id) < shownID || wire.CheckID(id) != nil {
		return strings.TrimSpace(guest)
	}
	return guest + id[:shownID]
}

// shownID is how much of a sender id people see.
const shownID = 4

// find returns the senders that words mean, each once: a name, with or without an @, or one that looks like it; "guest" and the beginning
// of a sender id; a sender id; or the number of a message, with or without a #.
func find(h Host, words string) (found []Person) {
	people := h.People()
	add := func(p Person) {
		if !slices.ContainsFunc(found, func(q Person) bool { return q.ID == p.ID }) {
			found = append(found, p)
		}
	}
	if digits, ok := strings.CutPrefix(words, "#"); ok {
		if n, err := strconv.ParseUint(digits, 10, 63); err == nil {
			if id := h.Author(n); id != "" {
				add(people.With(id))
			}
			return found
		}
	}
	name, _ := strings.CutPrefix(words, "@")
	for _, p := range people.all {
		if p.Name != "" && Alike(p.Name, name) {
			add(people.With(p.ID))
		}
	}
	if len(found) > 0 {
		return found
	}
	start, isGuest := strings.CutPrefix(strings.ToLower(words), strings.TrimSpace(guest))
	start = strings.TrimSpace(words[len(words)-len(start):]) // ids have two cases
	for _, p := range people.all {
		if p.ID == words || isGuest && len(start) >= shownID && strings.HasPrefix(p.ID, start) {
			add(people.With(p.ID))
		}
	}
	if n, err := strconv.ParseUint(words, 10, 63); err == nil && len(found) == 0 {
		if id := h.Author(n); id != "" {
			add(people.With(id))
		}
	}
	if len(found) == 0 && len(words) == wire.SenderIDLen && wire.CheckID(words) == nil {
		add(Person{ID: words}) // somebody who has not posted here, or long ago
	}
	return found
}

// Alike reports whether two names are the same for a reader, or nearly.
func Alike(a, b string) bool {
	if a == b {
		return true
	}
	foldA, skeletonA, _ := strings.Cut(names.Key(a), "\x00")
	foldB, skeletonB, _ := strings.Cut(names.Key(b), "\x00")
	return foldA == foldB || skeletonA == skeletonB
}

// withPerson runs do for the person that words mean. If there are several, the user chooses one. If there is none, it says why.
func withPerson(h Host, words string, do func(h Host, p Person)) {
	found := find(h, words)
	switch len(found) {
	case 0:
		h.Warn(unknownPerson(h, words))
	case 1:
		do(h, found[0])
	default:
		c := Choice{Title: "which " + words + "?", Do: func(h Host, i int) { do(h, found[i]) }}
		for _, p := range found {
			c.Rows = append(c.Rows, Row{SenderID: p.ID, Name: p.Label(), Text: shortID(p.ID) + " · message " + strconv.FormatUint(p.N, 10) + ", " + h.When(p.At)})
		}
		h.Choose(c)
	}
}

// shortID is what people see of a sender id.
func shortID(id string) string { return id[:min(len(id), shownID)] }

// unknownPerson says why words mean nobody.
func unknownPerson(h Host, words string) string {
	if digits, ok := strings.CutPrefix(words, "#"); ok {
		if n, err := strconv.ParseUint(digits, 10, 63); err != nil || n == 0 {
			return fmt.Sprintf("invalid message %.20s (want its number, for example #150)", words)
		}
		return "message " + digits + " is not in memory"
	}
	name, _ := strings.CutPrefix(words, "@")
	hint := "#150 means the sender of message 150"
	if best := nearest.Word(name, h.People().Names("")); best != "" {
		hint = "did you mean " + best + "?"
	}
	return "nobody called " + name + " has posted here lately; " + hint
}
