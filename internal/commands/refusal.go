package commands

import (
	"time"

	"ramai/wire"
)

// A Refusal is why the server has refused something, as its frames say it.
type Refusal struct {
	Code   wire.Code
	Reason string
	Rule   string
	Params wire.Params
	Until  wire.Time
	Wait   time.Duration // after which trying it again may succeed; 0: not known
}

// Sentence says why something was refused, for a person, without a period. A rule of the room is explained with its end as the reader's
// clock shows it; what is refused for another reason is explained by the server. The result may contain text of others.
func (r Refusal) Sentence(now time.Time, when func(time.Time) string) string {
	until := ""
	if r.Until != 0 {
		until = " until " + when(r.Until.Std())
	}
	switch r.Rule {
	case wire.RulePerson:
		return either(r.param(wire.ParamAction) == wire.Ban, "you are banned from this room", "you are muted in this room") + until
	case wire.RuleAddress:
		return "your network is muted in this room" + until
	case wire.LockKey:
		return "the room is locked" + until
	case wire.SlowKey:
		return "slow mode: you can post " + r.in(now, when)
	case wire.NewcomerKey:
		return "you are new here: you can post " + r.in(now, when)
	case wire.MaySayKey:
		return atLeast(r.param(wire.ParamRole)) + " can post here" + until
	case wire.MayReactKey:
		return atLeast(r.param(wire.ParamRole)) + " can react here" + until
	case wire.MayLinkKey:
		return atLeast(r.param(wire.ParamRole)) + " can post links here" + until
	}
	if r.Code == wire.RateLimited && r.Wait > 0 {
		return "too many attempts; try again in " + Words(r.Wait)
	}
	return r.Reason
}

// param is a parameter that is a text.
func (r Refusal) param(name string) string {
	if v := r.Params[name]; v.Text != nil {
		return *v.Text
	}
	return ""
}

// soon is a time that is shown by how far it is, and not by the clock.
const soon = time.Hour

// in says when the rule ends.
func (r Refusal) in(now time.Time, when func(time.Time) string) string {
	switch d := r.Until.Std().Sub(now); {
	case r.Until == 0:
		return "later"
	case d <= 0:
		return "now"
	case d < soon:
		return "in " + Words(d)
	}
	return "at " + when(r.Until.Std())
}

// Waits reports whether the rule ends by itself while the user waits for it: a countdown is worth showing.
func (r Refusal) Waits() bool {
	return r.Until != 0 && (r.Rule == wire.SlowKey || r.Rule == wire.NewcomerKey)
}

// RefusedBy returns the refusal of an error.
func RefusedBy(e *wire.CodedError) Refusal {
	return Refusal{e.Code, e.Reason, e.Rule, e.Params, e.Until, e.RetryAfter}
}
