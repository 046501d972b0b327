package search

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// queue lets so many queries run at once, and has those wait that are more. Whoever asks has at most half of the places,
// and gets the next one in turn with the others, however many queries it has waiting.
type queue struct {
	places int

	mu      sync.Mutex
	running map[netip.Prefix]int             // guarded by mu
	used    int                              // guarded by mu: all that run
	waiting map[netip.Prefix][]chan struct{} // guarded by mu: a channel is closed when its query may run
	turns   []netip.Prefix                   // guarded by mu: those who wait, each once, in the order of their turns
}

func newQueue(places int) *queue {
	return &queue{places: places, running: make(map[netip.Prefix]int), waiting: make(map[netip.Prefix][]chan struct{})}
}

// enter waits for a place, for as long as ctx lasts.
func (q *queue) enter(ctx context.Context, who netip.Prefix) error {
	turn := make(chan struct{})
	q.mu.Lock()
	if len(q.waiting[who]) == 0 {
		q.turns = append(q.turns, who)
	}
	q.waiting[who] = append(q.waiting[who], turn)
	q.next()
	q.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting[who], turn)
	if i < 0 { // its turn came at the same time
		q.free(who)
		return ctx.Err()
	}
	if q.waiting[who] = slices.Delete(q.waiting[who], i, i+1); len(q.waiting[who]) == 0 {
		delete(q.waiting, who)
		q.turns = slices.DeleteFunc(q.turns, func(other netip.Prefix) bool { return other == who })
	}
	return ctx.Err()
}

// leave gives a place back.
func (q *queue) leave(who netip.Prefix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(who)
}

// free gives a place back, to whoever waits. Called with mu held.
func (q *queue) free(who netip.Prefix) {
	q.used--
	if q.running[who]--; q.running[who] == 0 {
		delete(q.running, who)
	}
	q.next()
}

// next lets those run for whom there are places. Called with mu held.
func (q *queue) next() {
	for i := 0; i < len(q.turns) && q.used < q.places; {
		who := q.turns[i]
		if q.running[who] >= max(1, q.places/2) {
			i++
			continue
		}
		q.used++
		q.running[who]++
		close(q.waiting[who][0])
		q.turns = slices.Delete(q.turns, i, i+1)
		if q.waiting[who] = q.waiting[who][1:]; len(q.waiting[who]) == 0 {
			delete(q.waiting, who)
		} else {
			q.turns = append(q.turns, who)
		}
	}
}
