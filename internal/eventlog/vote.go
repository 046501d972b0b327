package eventlog

import (
	"fmt"
	"maps"

	"ramai/wire"
)

// A vote is a mark with the index of an option of a poll. Each sender has one vote in a poll, and can change it until the
// poll is closed. While the poll is hidden, nobody is sent the counts of its options.

// pollStatus returns the status of a poll.
func (c *Delta) pollStatus(room string, n uint64) string {
	if s := c.setting(room, settingKey{name: wire.PollPrefix, n: n}); s != nil && s.value.Text != nil {
		return *s.value.Text
	}
	return wire.Open
}

// isOption reports whether a key is that of an option.
func isOption(key string) bool {
	_, is := wire.OptionOf(key)
	return is
}

// otherVote returns which of a sender's marks on a message a new one with a key replaces; empty: none.
func otherVote(own []string, key string) string {
	if isOption(key) {
		for _, other := range own {
			if other != key && isOption(other) {
				return other
			}
		}
	}
	return ""
}

// reactionKeys returns how many of the keys are not options. Only their number is limited: nobody can keep others from
// voting.
func reactionKeys(keys func(yield func(string) bool)) (count int) {
	for key := range keys {
		if !isOption(key) {
			count++
		}
	}
	return count
}

// hideVotes removes the counts of options from those of a message if it is a hidden poll.
func (c *Delta) hideVotes(room string, n uint64, counts wire.Counts) {
	if c.pollStatus(room, n) == wire.Hidden {
		maps.DeleteFunc(counts, func(key string, _ uint64) bool { return isOption(key) })
	}
}

// refusedPollText returns why the text of a message cannot be changed: it is a poll in which somebody has voted.
func (c *Delta) refusedPollText(tx Tx, room string, of uint64, message *messageBody) (*wire.CodedError, error) {
	if message.As != wire.Poll {
		return nil, nil
	}
	counts, err := tx.Counts(room, of)
	if err != nil || len(counts) == reactionKeys(maps.Keys(counts)) {
		return nil, err
	}
	return &wire.CodedError{Code: wire.NotAllowed, Reason: fmt.Sprintf("message %d is a poll in which somebody has voted, so its text cannot be changed; delete it, and post another one", of)}, nil
}
