// Package fairqueue runs a limited number of jobs at once. Waiting jobs take turns by address, so that an address with
// many jobs delays another one by one turn at most.
package fairqueue

import (
	"context"
	"net/netip"
	"slices"
	"sync"
)

// A Queue has a number of slots, one for each running job. One address has at most half of them. A free slot goes to
// the next address in turn, however many jobs it has waiting. A Queue is safe for concurrent use.
type Queue struct {
	slots int

	mu      sync.Mutex
	running map[netip.Prefix]int       // guarded by mu
	used    int                        // guarded by mu: all running jobs
	waiting map[netip.Prefix][]*waiter // guarded by mu
	order   []netip.Prefix             // guarded by mu: addresses with waiting jobs, each once, in the order of their turns
}

// A waiter is a waiting job. start is called once when it gets a slot, with the queue's mu held. It must not block.
type waiter struct{ start func() }

// New returns a queue with the given number of slots, at least one.
func New(slots int) *Queue {
	return &Queue{slots: slots, running: make(map[netip.Prefix]int), waiting: make(map[netip.Prefix][]*waiter)}
}

// Slots returns the number of slots.
func (q *Queue) Slots() int { return q.slots }

// Go runs f on a goroutine of its own when it is the turn of addr. It does not wait.
func (q *Queue) Go(addr netip.Prefix, f func()) {
	q.enqueue(addr, &waiter{start: func() {
		go func() {
			defer q.Leave(addr)
			f()
		}()
	}})
}

// Enter waits for a slot until it is the turn of addr or ctx ends. If it returns nil, the caller must call Leave.
// Otherwise it returns the error of ctx.
func (q *Queue) Enter(ctx context.Context, addr netip.Prefix) error {
	begun := make(chan struct{})
	t := &waiter{start: func() { close(begun) }}
	q.enqueue(addr, t)
	select {
	case <-begun:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting[addr], t)
	if i < 0 { // it got a slot at the same time
		q.release(addr)
		return ctx.Err()
	}
	if q.waiting[addr] = slices.Delete(q.waiting[addr], i, i+1); len(q.waiting[addr]) == 0 {
		delete(q.waiting, addr)
		q.order = slices.DeleteFunc(q.order, func(other netip.Prefix) bool { return other == addr })
	}
	return ctx.Err()
}

// Leave returns a slot taken with Enter.
func (q *Queue) Leave(addr netip.Prefix) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.release(addr)
}

// enqueue adds t behind the other waiters of addr.
func (q *Queue) enqueue(addr netip.Prefix, t *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting[addr]) == 0 {
		q.order = append(q.order, addr)
	}
	q.waiting[addr] = append(q.waiting[addr], t)
	q.startNext()
}

// release returns a slot and starts the next job. Called with mu held.
func (q *Queue) release(addr netip.Prefix) {
	q.used--
	if q.running[addr]--; q.running[addr] == 0 {
		delete(q.running, addr)
	}
	q.startNext()
}

// startNext starts jobs while there are free slots. Called with mu held.
func (q *Queue) startNext() {
	for i := 0; i < len(q.order) && q.used < q.slots; {
		addr := q.order[i]
		if q.running[addr] >= max(1, q.slots/2) {
			i++
			continue
		}
		q.used++
		q.running[addr]++
		q.waiting[addr][0].start()
		q.order = slices.Delete(q.order, i, i+1)
		if q.waiting[addr] = q.waiting[addr][1:]; len(q.waiting[addr]) == 0 {
			delete(q.waiting, addr)
		} else {
			q.order = append(q.order, addr)
		}
	}
}
