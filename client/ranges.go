package client

import (
	"slices"
	"sort"

	"ramai/wire"
)

// ranges is a set of numbers: ascending ranges that do not touch each other.
type ranges []wire.Range

// find returns the index of the first range that ends at n or later.
func (s ranges) find(n uint64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].To >= n })
}

// add adds the numbers from to to (none if to is smaller).
func (s *ranges) add(from, to uint64) {
	if from > to {
		return
	}
	i := s.find(max(from, 1) - 1) // a range that ends right before from is merged with the new one
	j := i
	for ; j < len(*s) && (*s)[j].From-1 <= to; j++ {
		from, to = min(from, (*s)[j].From), max(to, (*s)[j].To)
	}
	*s = slices.Replace(*s, i, j, wire.Range{From: from, To: to})
}

// remove removes the numbers from to to.
func (s *ranges) remove(from, to uint64) {
	if from > to {
		return
	}
	i := s.find(from)
	j := i
	var rest []wire.Range
	for ; j < len(*s) && (*s)[j].From <= to; j++ {
		if r := (*s)[j]; r.From < from {
			rest = append(rest, wire.Range{From: r.From, To: from - 1})
		}
		if r := (*s)[j]; r.To > to {
			rest = append(rest, wire.Range{From: to + 1, To: r.To})
		}
	}
	*s = slices.Replace(*s, i, j, rest...)
}

// missing returns the ranges from from to to that are not in the set.
func (s ranges) missing(from, to uint64) (gaps []wire.Range) {
	for i := s.find(from); i < len(s) && s[i].From <= to && from <= to; i++ {
		if s[i].From > from {
			gaps = append(gaps, wire.Range{From: from, To: s[i].From - 1})
		}
		if s[i].To >= to {
			return gaps
		}
		from = s[i].To + 1
	}
	if from <= to {
		gaps = append(gaps, wire.Range{From: from, To: to})
	}
	return gaps
}
