// Package fairqueue runs a limited number of jobs at once, and serves those who wait in turn by address: many jobs of one
// address delay those of another by one turn at most.
package fairqueue

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// A Queue has a number of places, one for each job that runs. One address has at most half of them. When a place is free,
// the next address in turn gets it, no matter how many jobs it has waiting. A Queue is safe for concurrent use.
type Queue struct {
	places int

	mu      sync.Mutex
	running map[netip.Prefix]int     // guarded by mu
	used    int                      // guarded by mu: all that run
	waiting map[netip.Prefix][]*turn // guarded by mu
	turns   []netip.Prefix           // guarded by mu: those who wait, each once, in the order of their turns
}

// A turn is that of one job. begin is called once, with the queue's mu held, when the job has a place; it must not block.
type turn struct{ begin func() }

// New returns a queue with so many places, at least one.
func New(places int) *Queue {
	return &Queue{places: places, running: make(map[netip.Prefix]int), waiting: make(map[netip.Prefix][]*turn)}
}

// Places is how many jobs run at once.
func (q *Queue) Places() int { return q.places }

// Go runs f on a goroutine of its own when it is the turn of who. It does not wait for that.
func (q *Queue) Go(who netip.Prefix, f func()) {
	q.join(who, &turn{begin: func() {
		go func() {
			defer q.Leave(who)
			f()
		}()
	}})
}

// Enter waits until it is the turn of who, for as long as ctx lasts. After a nil error the place is returned with Leave. The
// only errors are those of ctx.
func (q *Queue) Enter(ctx context.Context, who netip.Prefix) error {
	begun := make(chan struct{})
	t := &turn{begin: func() { close(begun) }}
	q.join(who, t)
	select {
	case <-begun:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting[who], t)
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

// Leave returns a place that Enter gave.
func (q *Queue) Leave(who netip.Prefix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free(who)
}

// join puts t behind the other turns of who.
func (q *Queue) join(who netip.Prefix, t *turn) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting[who]) == 0 {
		q.turns = append(q.turns, who)
	}
	q.waiting[who] = append(q.waiting[who], t)
	q.next()
}

// free returns a place, and gives it to the next in turn. Called with mu held.
func (q *Queue) free(who netip.Prefix) {
	q.used--
	if q.running[who]--; q.running[who] == 0 {
		delete(q.running, who)
	}
	q.next()
}

// next begins the jobs for which there are places. Called with mu held.
func (q *Queue) next() {
	for i := 0; i < len(q.turns) && q.used < q.places; {
		who := q.turns[i]
		if q.running[who] >= max(1, q.places/2) {
			i++
			continue
		}
		q.used++
		q.running[who]++
		q.waiting[who][0].begin()
		q.turns = slices.Delete(q.turns, i, i+1)
		if q.waiting[who] = q.waiting[who][1:]; len(q.waiting[who]) == 0 {
			delete(q.waiting, who)
		} else {
			q.turns = append(q.turns, who)
		}
	}
}
