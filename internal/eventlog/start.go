package eventlog

import (
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"

	"ramai/wire"
)

// StartBody is the body of a Start, the first command of a node that has started. A Start counts only if After is the
// node's current incarnation. It begins an incarnation of the node, whose number is the position of the batch, so that
// batches of earlier ones do nothing any more; it begins an epoch, whose name is Nonce; and it frees the names that were
// bound to connections to this node.
//
// The command needs no id: repeated, it is refused, because After is not the current incarnation any more.
type StartBody struct {
	_     struct{} `cbor:",toarray"`
	Node  string
	After uint64 // 0: the node starts for the first time
	Nonce string // generated with NewNonce
}

func (StartBody) kind() Kind { return Start }

type startKind struct {
	onDemand
	withBody[StartBody]
	noRecords
}

func (startKind) name() string { return "start" }

func (startKind) check(c *Command) error {
	body, err := bodyOf[StartBody](c)
	if err != nil {
		return err
	}
	if err := checkString(Start, "node", body.Node, maxName, true); err != nil {
		return err
	}
	if err := checkString(Start, "nonce", body.Nonce, maxName, true); err != nil {
		return err
	}
	return checkHead(c, 0)
}

func (startKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[StartBody](o.Command)
	if err != nil {
		return err
	}
	if current := c.nodeState(body.Node).Incarnation; current != body.After {
		o.refuse(wire.Internal, fmt.Sprintf("the node %s is in incarnation %d, not %d: it was started elsewhere meanwhile, or this is a repetition", body.Node, current, body.After))
		return nil
	}
	if latest(c.epochs, c.state.epochs, body.Nonce) > 0 {
		o.refuse(wire.Internal, fmt.Sprintf("the nonce %s was used by an earlier start; generate another", body.Nonce))
		return nil
	}
	c.nodes[body.Node] = NodeState{Incarnation: c.position}
	epoch := Epoch{Number: c.epoch.Number + 1, Name: body.Nonce}
	c.epoch, c.epochs[epoch.Name] = epoch, epoch.Number
	if err := tx.PutEpoch(epoch, oldestEpoch(epoch.Number)); err != nil {
		return err
	}
	senders := slices.AppendSeq(slices.Collect(maps.Keys(c.state.leases)), maps.Keys(c.leases))
	slices.Sort(senders) // the order of the outcome must not depend on that of a map
	for _, sender := range senders {
		if lease := c.lease(sender); lease != nil && lease.Bound && lease.Node == body.Node {
			if err := c.releaseName(tx, o, sender); err != nil {
				return err
			}
		}
	}
	return nil
}

// A NodeState is the stored state of a node.
type NodeState struct {
	Incarnation uint64 // the position of its newest Start that counted; 0: it has not started
	Seq         uint64 // of its newest batch in this incarnation
}

// Incarnation returns the current incarnation of a node; 0: it has not started.
func (s *State) Incarnation(node string) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.nodes[node].Incarnation
}

func (c *Delta) nodeState(node string) NodeState { return latest(c.nodes, c.state.nodes, node) }

// fenced reports whether a batch does nothing: it belongs to an incarnation other than the node's current one, or was
// applied before.
func (s *State) fenced(b *Batch) bool {
	node := s.nodes[b.Node]
	return b.Incarnation != 0 && (b.Incarnation != node.Incarnation || b.Seq <= node.Seq)
}

// NewNonce generates the nonce of a Start, which names an epoch: 48 random bits as 8 characters of base64url.
func NewNonce(random io.Reader) (string, error) {
	var b [6]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("generate the name of a new epoch: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), nil
}
