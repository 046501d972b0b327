package eventlog

// A ReleaseName releases the sender's name.
//
// The command needs no id: repeated, it finds no name, or a name that was reserved since, which the sender has then asked
// to release.
type releaseNameKind struct {
	onDemand
	noBody
	noRecords
}

func (releaseNameKind) name() string { return "release_name" }

func (releaseNameKind) check(c *Command) error { return checkHead(c, hasSender) }

func (releaseNameKind) decide(c *Delta, tx Tx, o *Outcome) error {
	return c.releaseName(tx, o, o.Command.SenderID)
}

// releaseName deletes the lease of a sender, if there is one.
func (c *Delta) releaseName(tx Tx, o *Outcome, senderID string) error {
	lease := c.lease(senderID)
	if lease == nil {
		return nil
	}
	c.leaseCount--
	c.leases[senderID] = nil
	for _, part := range keyParts(lease.Key) {
		c.leaseKeys[part] = ""
	}
	o.Renamed = append(o.Renamed, senderID)
	return tx.DeleteLease(senderID)
}
