package tui

import (
	"strings"
	"time"

	"ramai/client"
	"ramai/wire"
)

// self is the identity of this client at the server. Only identify changes it, apart from renaming.
type self struct {
	senderID, session, name string
	renaming                bool // /name was used, and is not answered yet
	limits                  wire.Limits
	clockKnown              bool          // a message has arrived since
	clockAhead              time.Duration // of the clock here before the server's, at most

	asked  string                     // the name that the program was started with
	onName func(name, session string) // called with each name that is granted; may be nil
}

// identify handles what a frame says about this client, and reports whether messages look different now.
func (h *shared) identify(frame wire.Frame) (changed bool) {
	switch f := frame.(type) {
	case wire.Welcome:
		changed = f.SenderID != h.self.senderID
		h.self.senderID, h.self.session, h.self.limits = f.SenderID, f.Session, f.Limits
		return h.named(f.Name) || changed
	case wire.Name:
		before := h.self.name
		changed = h.named(f.Name)
		switch {
		case !h.self.renaming && f.Name == "" && before != "":
			h.warn("the name %s is no longer yours", oneLine(before, h.method))
		case !h.self.renaming:
		case f.Name == "":
			h.inform("you have no name now")
		default:
			h.inform("your name is %s", oneLine(f.Name, h.method))
		}
		h.self.renaming = false
	case client.RequestFailed:
		if _, ok := f.Request.(wire.Name); ok {
			h.self.renaming = false
		}
	}
	return changed
}

// named records the name that the server has granted, and reports whether it has changed.
func (h *shared) named(name string) (changed bool) {
	changed = name != h.self.name
	h.self.name = name
	if name != "" && h.self.onName != nil {
		h.self.onName(name, h.self.session)
	}
	return changed
}

// refusal returns the notice about a request that the server refused.
func (h *shared) refusal(f client.RequestFailed) string {
	reason := h.refusalWords(failure(f))
	switch request := f.Request.(type) {
	case wire.Mark:
		return "message " + thousands(request.Of) + ": " + reason
	case wire.Join:
		return request.Room + ": " + reason
	case wire.Name:
		if !strings.HasPrefix(reason, "the name ") {
			return "the name " + oneLine(request.Name, h.method) + ": " + reason
		}
		return reason
	}
	return "the server says: " + reason
}
