package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	js "github.com/nats-io/nats.go/jetstream"
)

// RemoveReplica removes the replica of a member from the cluster for good, so that it counts for no majority any more, and another
// member's can take its place. It returns nil if there is none any more. After an error it can be called again.
func (n *Node) RemoveReplica(ctx context.Context, member string) error {
	conn, err := n.connect(systemUser)
	if err != nil {
		return err
	}
	defer conn.Close()
	request, err := json.Marshal(server.JSApiMetaServerRemoveRequest{Peer: replicaID(member)})
	if err != nil {
		return err
	}
	m, err := conn.RequestWithContext(ctx, server.JSApiRemoveServer, request)
	if err == nil {
		err = ackError(m.Data)
	}
	var answer *js.APIError
	if errors.As(err, &answer) && answer.ErrorCode == notMember {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove the replica of the member %s: %w", member, err)
	}
	return nil
}

// SetReplicas changes how many members hold a replica of the stream. It returns false if that many do already.
func (s *Stream) SetReplicas(ctx context.Context, replicas int) (changed bool, err error) {
	info, err := s.check(ctx)
	if err != nil {
		return false, err
	}
	if info.Config.Replicas == replicas {
		return false, nil
	}
	cfg := info.Config
	cfg.Replicas = replicas
	if _, err := s.js.UpdateStream(ctx, cfg); err != nil {
		return false, fmt.Errorf("change the replicas of the stream from %d to %d: %w", info.Config.Replicas, replicas, err)
	}
	return true, nil
}

// notMember is the code of the error for a replica that there is not.
const notMember js.ErrorCode = js.ErrorCode(server.JSClusterServerNotMemberErr)

// replicaID returns the id that the replicas derive from the name of a member.
func replicaID(member string) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := sha256.Sum256([]byte(member))
	id := sum[:8]
	for i := range id {
		id[i] = digits[int(id[i])%len(digits)]
	}
	return string(id)
}

// connect connects this process to its own replica as a user.
func (n *Node) connect(user string) (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.InProcessServer(n.server), nats.UserInfo(user, n.password), nats.Name("ramai"), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1),
		nats.ReconnectWait(reconnectWait), nats.NoCallbacksAfterClientClose())
	if err != nil {
		return nil, fmt.Errorf("connect to the own replica: %w", err)
	}
	return conn, nil
}
