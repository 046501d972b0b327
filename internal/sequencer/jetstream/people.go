package jetstream

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// peopleSubject and the name of a member are the subject of what the member reports about the people that are connected to it. It
// is not stored, and lost while there is no connection.
const peopleSubject = "ramai.people."

// PublishPeople sends a report to the other members that are connected.
func (n *Node) PublishPeople(report []byte) error {
	return n.conn.Publish(peopleSubject+n.opt.Name, report)
}

// ReceivePeople calls receive for each report of another member, those of one member in order. It must not keep the report.
func (n *Node) ReceivePeople(receive func(member string, report []byte)) error {
	if err := n.subscribe(peopleSubject+"*", func(m *nats.Msg) {
		if member := strings.TrimPrefix(m.Subject, peopleSubject); member != n.opt.Name {
			receive(member, m.Data)
		}
	}); err != nil {
		return fmt.Errorf("listen to what other members report about people: %w", err)
	}
	return nil
}
