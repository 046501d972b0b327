package reactor

// table assigns slots to the sockets of a loop. The kernel reports slot and generation with each event. A slot is used
// again after its socket is closed; the generation identifies the socket.
type table struct {
	sockets    []*socket // by slot
	free       []uint32  // slots without a socket
	generation uint32
}

// put gives s a slot and a generation other than 0.
func (t *table) put(s *socket) {
	if t.generation++; t.generation == 0 {
		t.generation++
	}
	s.generation = t.generation
	if n := len(t.free); n > 0 {
		s.slot, t.free = t.free[n-1], t.free[:n-1]
		t.sockets[s.slot] = s
		return
	}
	s.slot = uint32(len(t.sockets))
	t.sockets = append(t.sockets, s)
}

// get returns the socket in a slot, or nil if its generation differs.
func (t *table) get(slot, generation uint32) *socket {
	if slot >= uint32(len(t.sockets)) {
		return nil
	}
	if s := t.sockets[slot]; s != nil && s.generation == generation {
		return s
	}
	return nil
}

func (t *table) remove(s *socket) {
	t.sockets[s.slot] = nil
	t.free = append(t.free, s.slot)
}

// fifo is a list of sockets, linked by next.
type fifo struct{ head, tail *socket }

func (f *fifo) push(s *socket) {
	if f.tail == nil {
		f.head = s
	} else {
		f.tail.next = s
	}
	f.tail = s
}

// pop returns the first, or nil.
func (f *fifo) pop() *socket {
	s := f.head
	if s == nil {
		return nil
	}
	if f.head = s.next; f.head == nil {
		f.tail = nil
	}
	s.next = nil
	return s
}
