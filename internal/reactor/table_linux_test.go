package reactor

import "testing"

func TestTableGenerations(t *testing.T) {
	var table table
	table.generation = 1<<32 - 3 // about to wrap around
	var old []*socket
	for range 6 {
		s := new(socket)
		table.put(s)
		if s.generation == 0 {
			t.Error("generation is 0, which means that a socket is in no table")
		}
		if table.get(s.slot, s.generation) != s {
			t.Error("a socket is not found")
		}
		for _, o := range old {
			if o.slot != s.slot {
				t.Errorf("slot %d is not used again", o.slot)
			}
			if table.get(o.slot, o.generation) != nil {
				t.Error("an event of an earlier socket finds the later one")
			}
		}
		table.remove(s)
		if table.get(s.slot, s.generation) != nil {
			t.Error("a removed socket is found")
		}
		old = append(old, s)
	}
	if table.get(1, 1) != nil {
		t.Error("a slot that never was is found")
	}
}
