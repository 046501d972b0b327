package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	admitSubject = "ramai.admit"
	// admitTimeout is how long the answers of the other members are waited for.
	admitTimeout = 500 * time.Millisecond
)

// A Candidate is what a member says about its folder before it starts its replica. A replica votes by what it remembers, so it must
// not run on a folder that has forgotten something, or of a member that was removed.
type Candidate struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Size     uint64 `json:"size"`     // how many members its settings name
	Log      string `json:"log"`      // of its data; empty: it has none
	Position uint64 `json:"position"` // of its data
	Starts   uint64 `json:"starts"`   // how often its replica was started before
}

// admission is the answer to a candidate.
type admission struct {
	Run     string `json:"run"`     // of the member that answers
	Refused string `json:"refused"` // why the candidate must not start its replica; empty: nothing is known against it
}

// AnswerCandidates answers other members before they start their replicas. judge returns why one must not; empty: it may.
func (n *Node) AnswerCandidates(judge func(c Candidate) string) error {
	err := n.subscribe(admitSubject, func(m *nats.Msg) {
		var c Candidate
		err := json.Unmarshal(m.Data, &c)
		if err != nil || c.Name == n.opt.Name { // this member's own question
			return
		}
		var b []byte
		if b, err = json.Marshal(admission{Run: n.run, Refused: judge(c)}); err == nil {
			err = m.Respond(b)
		}
		if err != nil { // the other member asks again
			n.opt.Logger.Debug("a member that starts is not answered", "err", err)
		}
	})
	if err != nil {
		return fmt.Errorf("answer members that start: %w", err)
	}
	return nil
}

// Ask asks the members that are connected about this one, and returns how many of them have answered. An error says why one of
// them has refused.
func (n *Node) Ask(ctx context.Context, c Candidate) (answers int, err error) {
	b, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	inbox := nats.NewInbox()
	sub, err := n.conn.SubscribeSync(inbox)
	if err == nil {
		defer sub.Unsubscribe()
		err = n.conn.PublishRequest(admitSubject, inbox, b)
	}
	if err != nil {
		return 0, fmt.Errorf("ask the other members: %w", err)
	}
	answered := make(map[string]bool)
	for len(answered) < len(n.Peers()) {
		m, err := sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrNoResponders) {
			break
		}
		if err != nil {
			break // the others did not answer in time
		}
		var a admission
		if json.Unmarshal(m.Data, &a) != nil {
			continue
		}
		if a.Refused != "" {
			return 0, fmt.Errorf("%w: %s", ErrForeign, a.Refused)
		}
		answered[a.Run] = true
	}
	for _, p := range n.Peers() {
		if !p.Answers { // an older version, which does not answer
			answered[p.Run] = true
		}
	}
	return len(answered), nil
}
