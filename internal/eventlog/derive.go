package eventlog

import "fmt"

// A command can have consequences that are records of other rooms or of other senders: what a moderator does is logged in the
// moderators' room, and a message that is approved is its author's. Such a consequence is a derived command. Decide decides
// the derived commands of a batch after the batch's own, in the order in which they were derived, so that the outcomes of each
// room are in the order of its numbers. Their outcomes follow those of the batch.
//
// A derived command is in no batch and has no encoding: every node derives the same ones.

// A derivedBody is the body of a derived command.
type derivedBody interface {
	Body
	// decideDerived sets the outcome and writes its rows. It derives nothing.
	decideDerived(c *Delta, tx Tx, o *Outcome) error
}

// derive adds a derived command, whose body is a derivedBody.
func (c *Delta) derive(cmd Command) {
	c.derived = append(c.derived, &cmd)
}

// decideDerived decides what the commands of the batch have derived, and returns all outcomes.
func (c *Delta) decideDerived(tx Tx, outcomes []Outcome) ([]Outcome, error) {
	if len(c.derived) == 0 {
		return outcomes, nil
	}
	all := make([]Outcome, len(outcomes)+len(c.derived))
	for i, cmd := range c.derived {
		o := &all[len(outcomes)+i]
		o.Command, o.At, o.Status = cmd, c.at, Saved
		body, ok := cmd.Body.(derivedBody)
		if !ok {
			return nil, fmt.Errorf("a derived %v command has the body %T", cmd.Kind, cmd.Body)
		}
		if err := body.decideDerived(c, tx, o); err != nil {
			return nil, fmt.Errorf("derived command %d: %w", i+1, err)
		}
	}
	copy(all, outcomes)
	return all, nil
}
