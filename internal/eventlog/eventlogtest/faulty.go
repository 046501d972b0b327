package eventlogtest

import (
	"cmp"
	"errors"
	"slices"
	"sync"

	"ramai/internal/eventlog"
)

// Fault is a way in which Apply fails.
type Fault uint8

// The faults.
const (
	None       Fault = iota
	RolledBack       // nothing is stored, and the error says so
	Lost             // nothing is stored, but the error does not say
	Unreported       // everything is stored, but the error does not say
	Full             // nothing is stored because there is no space, and the error says so
)

// ErrFault is the error of a Faulty.
var ErrFault = errors.New("a fault requested by the test")

// Faulty is a store that fails on demand. After an error with an unknown result it requires Reopen, and the same batch
// at the same position.
type Faulty struct {
	eventlog.Store

	mu        sync.Mutex // guarded by mu: everything below
	faults    []Fault
	reopens   int
	held      chan struct{}
	freeBytes *uint64
	freeErr   error // the error of Free
	health    eventlog.Health
	poison    string
	applied   []*eventlog.Batch

	// Owned by the goroutine that applies.
	inDoubt  *eventlog.Batch
	at       uint64 // its position
	reopened bool
}

// Fail makes each of the next calls of Apply fail.
func (f *Faulty) Fail(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// FailReopen makes the next k calls of Reopen fail.
func (f *Faulty) FailReopen(k int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reopens = k
}

// Hold keeps every commit open until release is called.
func (f *Faulty) Hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := make(chan struct{})
	f.held = held
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held = nil
		close(held)
	}
}

// SetFree sets the result of Free.
func (f *Faulty) SetFree(bytes uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.freeBytes = &bytes
}

// Applied returns the batches that Apply was called with, including failed ones.
func (f *Faulty) Applied() []*eventlog.Batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

// next returns the fault of the next Apply.
func (f *Faulty) next(b *eventlog.Batch) (Fault, chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.applied = append(f.applied, b)
	if len(f.faults) == 0 {
		return None, f.held
	}
	fault := f.faults[0]
	f.faults = f.faults[1:]
	return fault, f.held
}

// Apply implements eventlog.Store.
func (f *Faulty) Apply(b *eventlog.Batch, position uint64) ([]eventlog.Outcome, error) {
	if f.inDoubt != nil && (!f.reopened || b != f.inDoubt || position != f.at) {
		return nil, errors.New("a batch is in doubt: call Reopen first, then apply that batch again")
	}
	f.inDoubt = nil
	fault, held := f.next(b)
	if held != nil {
		<-held
	}
	if f.poisoned(b) {
		return nil, errors.Join(ErrFault, eventlog.ErrRolledBack)
	}
	if (fault == Full || fault == RolledBack) && position == f.Position() {
		fault = Lost // it is already stored, which must not be denied
	}
	switch fault {
	case Full:
		return nil, errors.Join(ErrFault, eventlog.ErrFull, eventlog.ErrRolledBack)
	case RolledBack:
		return nil, errors.Join(ErrFault, eventlog.ErrRolledBack)
	case Lost:
		f.inDoubt, f.at, f.reopened = b, position, false
		return nil, ErrFault
	case Unreported:
		if _, err := f.Store.Apply(b, position); err != nil {
			return nil, err
		}
		f.inDoubt, f.at, f.reopened = b, position, false
		return nil, ErrFault
	}
	return f.Store.Apply(b, position)
}

// Reopen implements eventlog.Store.
func (f *Faulty) Reopen() error {
	f.mu.Lock()
	fail := f.reopens > 0
	if fail {
		f.reopens--
	}
	f.mu.Unlock()
	if fail {
		return ErrFault
	}
	if err := f.Store.Reopen(); err != nil {
		return err
	}
	f.reopened = true
	return nil
}

// Free implements eventlog.Store.
func (f *Faulty) Free() (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.freeBytes != nil || f.freeErr != nil {
		return *cmp.Or(f.freeBytes, new(uint64)), f.freeErr
	}
	return f.Store.Free()
}

// FailFree makes Free fail with err; nil: no longer.
func (f *Faulty) FailFree(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.freeErr = err
}

// Poison makes each batch fail, with a rollback, that has a command with this id or a Trim of a room with this name.
func (f *Faulty) Poison(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.poison = id
}

func (f *Faulty) poisoned(b *eventlog.Batch) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.poison != "" && slices.ContainsFunc(b.Commands, func(e eventlog.Command) bool {
		return e.ID == f.poison || e.Kind == eventlog.Trim && e.Room == f.poison
	})
}

// SetHealth sets the result of Health.
func (f *Faulty) SetHealth(h eventlog.Health) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.health = h
}

// Health implements eventlog.Store.
func (f *Faulty) Health() eventlog.Health {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.health.Err != nil || f.health.Rooms != nil {
		return f.health
	}
	return f.Store.Health()
}
