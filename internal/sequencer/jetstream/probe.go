package jetstream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Probe returns why this member may not be connected to the one at an address.
func (n *Node) Probe(ctx context.Context, address string) error {
	cfg, err := n.opt.Secret.tlsConfig(n.opt.Now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", cmp.Or(n.opt.Reach[address], address))
	if err != nil {
		return fmt.Errorf("%w: it is not running, or its port is closed", cause(err))
	}
	defer nc.Close()
	if deadline, ok := ctx.Deadline(); ok {
		nc.SetDeadline(deadline)
	}
	c := tls.Client(nc, cfg)
	err = c.HandshakeContext(ctx)
	if err == nil { // the other side checks our certificate after that
		_, err = c.Read(make([]byte, 1))
	}
	var timeout net.Error
	switch {
	case err == nil:
		return errors.New("it is there, and is being connected to; if that lasts, this data folder may be a copy of that member's, and has to be an empty one")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("it does not answer")
	}
	return fmt.Errorf("it has another cluster secret, or is not ramai (%w); give all members the same file with --cluster-secret-file", err)
}

// cause returns the error of the system call in an error of the network, which repeats no address.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
