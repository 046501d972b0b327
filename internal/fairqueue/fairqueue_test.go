package fairqueue

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(4)
		flood, one, two := prefix(1), prefix(2), prefix(3)
		var mu sync.Mutex
		var ran []string // guarded by mu
		gone := make(chan struct{})
		ask := func(addr netip.Prefix, name string) {
			go func() {
				if err := q.Enter(context.Background(), addr); err != nil {
					t.Error(err)
				}
				mu.Lock()
				ran = append(ran, name)
				mu.Unlock()
				<-gone
				q.Leave(addr)
			}()
			synctest.Wait()
		}
		for i := range 10 {
			ask(flood, fmt.Sprint("flood ", i))
		}
		if len(ran) != 2 {
			t.Errorf("a flooding address has %d of 4 slots, want half", len(ran))
		}
		ask(one, "one") // at once, because slots are free
		ask(two, "two")
		ask(one, "one more")
		if want := []string{"flood 0", "flood 1", "one", "two"}; !slices.Equal(ran, want) {
			t.Errorf("%q run, want %q", ran, want)
		}
		for range 3 {
			gone <- struct{}{}
			synctest.Wait()
		}
		if !slices.Contains(ran, "one more") {
			t.Errorf("a job waits behind ten of another address: %q", ran)
		}
		close(gone)
		synctest.Wait()
		if len(ran) != 13 || q.used != 0 || len(q.running) != 0 || len(q.waiting) != 0 || len(q.order) != 0 {
			t.Errorf("afterwards %d ran, and the queue is %+v", len(ran), q)
		}
	})
}

// A canceled Enter leaves nothing behind and takes no slot.
func TestEnterCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(2)
		if err := q.Enter(t.Context(), prefix(1)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 3)
		for range 3 {
			go func() { left <- q.Enter(ctx, prefix(1)) }()
		}
		synctest.Wait()
		cancel()
		for range 3 {
			if err := <-left; err == nil {
				t.Error("more than half of the slots were acquired")
			}
		}
		q.Leave(prefix(1))
		if q.used != 0 || len(q.running) != 0 || len(q.waiting) != 0 || len(q.order) != 0 {
			t.Errorf("the queue is %+v", q)
		}
	})
}

func prefix(i byte) netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 32) }
