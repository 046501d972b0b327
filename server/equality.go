package server

import (
	"slices"

	"ramai/internal/sequencer/jetstream"
)

// compareLinks compares what this member has stored with what the others say. It returns ErrDiffers if a majority differs from this
// member and agrees.
func (l *memberLoop) compareLinks() error {
	peers := l.m.node.Peers()
	var differs []string
	for _, p := range peers {
		if own, known := l.store.LinkAt(p.Link.Position); known {
			if own != p.Link && !l.differs[p.Name] {
				l.cfg.Logger.Error("the data of another member differs from that of this one; a member stops if two others agree that it differs", "member", p.Address, "name", p.Name, "position", p.Link.Position)
			}
			l.differs[p.Name] = own != p.Link
		}
		if l.differs[p.Name] {
			differs = append(differs, p.Name)
		}
	}
	l.m.say(func(h *jetstream.Hello) { h.Differs = differs })
	if outvoted(l.m.name, l.m.size(), differs, peers) {
		return ErrDiffers
	}
	return nil
}

// outvoted reports whether a majority of a number of members differs from a member, by what it or they have found, and none of these
// differs from another of them.
func outvoted(own string, members int, differs []string, peers []jetstream.Peer) bool {
	var against []jetstream.Peer
	for _, p := range peers {
		if slices.Contains(differs, p.Name) || slices.Contains(p.Differs, own) {
			against = append(against, p)
		}
	}
	for _, p := range against {
		if slices.ContainsFunc(against, func(q jetstream.Peer) bool { return slices.Contains(p.Differs, q.Name) }) {
			return false
		}
	}
	return len(against) > members/2
}
