package room

import (
	"slices"
	"sort"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"ramai/wire"
)

// maxSpeakers is how many of the latest speakers of a room are listed before everyone else.
const maxSpeakers = 100

// senderKey is a sender's id as a key of maps.
type senderKey [wire.SenderIDLen]byte

func keyOf(senderID string) (k senderKey) {
	copy(k[:], senderID)
	return k
}

// people are the senders in a room: a sender with several connections counts once. Everything but a copy of names takes
// time that hardly depends on how many there are.
type people struct {
	present  map[senderKey]person
	named    nameIndex   // those who have a name
	speakers []senderKey // who spoke last, the latest first; some may have left
}

// person is small, because there is one for each sender.
type person struct {
	name        *name         // nil: none
	first       *Subscription // of its connections, which are linked by Subscription.next
	connections int32         // to this server
	remote      bool          // connected to another member of the cluster
}

// name is the name of a person.
type name struct {
	text   string
	folded string // for searching
}

// newName returns a name, or nil for an empty one.
func newName(text string) *name {
	if text == "" {
		return nil
	}
	return &name{text: text, folded: fold(text)}
}

// String returns the name, or an empty string.
func (n *name) String() string {
	if n == nil {
		return ""
	}
	return n.text
}

// enter adds a connection of a sender with this name. It returns the sender's connection before that.
func (p *people) enter(by senderKey, called string, s *Subscription) (next *Subscription) {
	if p.present == nil {
		p.present = make(map[senderKey]person)
	}
	who, known := p.present[by]
	if !known {
		who.name = newName(called)
		p.named.add(who.name)
	}
	who.connections++
	next, who.first = who.first, s
	p.present[by] = who
	return next
}

// exit removes a connection of a sender.
func (p *people) exit(by senderKey, s *Subscription) {
	who := p.present[by]
	for link := &who.first; *link != nil; link = &(*link).next {
		if *link == s {
			*link = s.next
			break
		}
	}
	who.connections--
	p.update(by, who)
}

// setRemote records whether a sender is connected to another member of the cluster. It reports whether the sender has entered or
// left by that. nameOf returns the name of a sender.
func (p *people) setRemote(by senderKey, remote bool, nameOf func(senderID string) string) bool {
	who, known := p.present[by]
	if who.remote == remote {
		return false
	}
	if !known {
		who.name = newName(nameOf(string(by[:])))
		p.named.add(who.name)
	}
	if p.present == nil {
		p.present = make(map[senderKey]person)
	}
	who.remote = remote
	p.update(by, who)
	return who.connections == 0
}

// update stores a person, or removes one who has left.
func (p *people) update(by senderKey, who person) {
	if who.connections > 0 || who.remote {
		p.present[by] = who
		return
	}
	p.named.remove(who.name)
	delete(p.present, by)
}

// rename records a sender's name. It returns false if the sender is not here or has this name already.
func (p *people) rename(by senderKey, to string) bool {
	who, ok := p.present[by]
	if !ok || who.name.String() == to {
		return false
	}
	p.named.remove(who.name)
	who.name = newName(to)
	p.named.add(who.name)
	p.present[by] = who
	return true
}

// spoke records that a sender has posted a message.
func (p *people) spoke(by senderKey) {
	if len(p.speakers) > 0 && p.speakers[0] == by {
		return
	}
	i := slices.Index(p.speakers, by)
	if i < 0 {
		if len(p.speakers) < maxSpeakers {
			p.speakers = append(p.speakers, by)
		}
		i = len(p.speakers) - 1
	}
	copy(p.speakers[1:i+1], p.speakers[:i])
	p.speakers[0] = by
}

// search returns how many names begin with prefix, and at most limit of them: those of the latest speakers first, then the
// others in alphabetical order.
func (p *people) search(prefix string, limit int) (matching int, names []string) {
	prefix = fold(prefix)
	start := p.named.find(func(n *name) bool { return n.folded < prefix })
	end := p.named.find(func(n *name) bool { return n.folded < prefix || strings.HasPrefix(n.folded, prefix) })
	matching = p.named.rank(end) - p.named.rank(start)
	names = make([]string, 0, min(matching, limit))
	listed := make(map[string]struct{})
	for _, by := range p.speakers {
		n := p.present[by].name
		if len(names) < limit && n != nil && strings.HasPrefix(n.folded, prefix) {
			names = append(names, n.text)
			listed[n.text] = struct{}{}
		}
	}
	for n := range p.named.between(start, end) {
		if len(names) == limit {
			break
		}
		if _, ok := listed[n.text]; !ok {
			names = append(names, n.text)
		}
	}
	return matching, names
}

// names returns all names in alphabetical order.
func (p *people) names() []string {
	names := []string{}
	for n := range p.named.between(indexPos{}, indexPos{chunk: len(p.named.chunks)}) {
		names = append(names, n.text)
	}
	return names
}

// fold returns a name without case and accents, for sorting and searching.
func fold(name string) string {
	ascii := true
	for i := range len(name) {
		ascii = ascii && name[i] < 0x80
	}
	if ascii {
		return strings.ToLower(name)
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(name))
}

// maxChunk is the maximum number of names in a chunk of an index.
const maxChunk = 256

// nameIndex holds the names of the people in a room, ordered by folded name, in chunks, so that adding one moves only a few.
type nameIndex struct {
	chunks [][]*name // none is empty
}

// indexPos is a position in an index.
type indexPos struct{ chunk, index int }

// find returns the position of the first name for which before returns false. before is true for names up to some position, and
// false from there on.
func (n *nameIndex) find(before func(*name) bool) indexPos {
	i := sort.Search(len(n.chunks), func(i int) bool { return !before(n.chunks[i][len(n.chunks[i])-1]) })
	if i == len(n.chunks) {
		return indexPos{chunk: i}
	}
	return indexPos{i, sort.Search(len(n.chunks[i]), func(j int) bool { return !before(n.chunks[i][j]) })}
}

// locate returns the position of a name, or where to insert it.
func (n *nameIndex) locate(sought *name) indexPos {
	return n.find(func(m *name) bool {
		return m.folded < sought.folded || m.folded == sought.folded && m.text < sought.text
	})
}

// rank returns how many names are before a position.
func (n *nameIndex) rank(p indexPos) int {
	rank := p.index
	for _, chunk := range n.chunks[:p.chunk] {
		rank += len(chunk)
	}
	return rank
}

// between iterates over the names from start up to end, which is not included.
func (n *nameIndex) between(start, end indexPos) func(func(*name) bool) {
	return func(yield func(*name) bool) {
		for p := start; p.chunk < len(n.chunks) && p != end; {
			if !yield(n.chunks[p.chunk][p.index]) {
				return
			}
			if p.index++; p.index == len(n.chunks[p.chunk]) {
				p = indexPos{chunk: p.chunk + 1}
			}
		}
	}
}

// add adds a name; nil is no name.
func (n *nameIndex) add(added *name) {
	if added == nil {
		return
	}
	p := n.locate(added)
	if p.chunk == len(n.chunks) { // after all others
		if p.chunk == 0 {
			n.chunks = [][]*name{{added}}
			return
		}
		p = indexPos{p.chunk - 1, len(n.chunks[p.chunk-1])}
	}
	chunk := slices.Insert(n.chunks[p.chunk], p.index, added)
	n.chunks[p.chunk] = chunk
	if len(chunk) > maxChunk {
		half := slices.Clone(chunk[maxChunk/2:])
		n.chunks[p.chunk] = slices.Delete(chunk, maxChunk/2, len(chunk))
		n.chunks = slices.Insert(n.chunks, p.chunk+1, half)
	}
}

// remove removes a name; nil is no name.
func (n *nameIndex) remove(removed *name) {
	if removed == nil {
		return
	}
	p := n.locate(removed)
	n.chunks[p.chunk] = slices.Delete(n.chunks[p.chunk], p.index, p.index+1)
	if len(n.chunks[p.chunk]) == 0 {
		n.chunks = slices.Delete(n.chunks, p.chunk, p.chunk+1)
	}
}
