package server

// publishPeople returns what sends digests of the people on this server to the other members; nil if the server runs alone.
func (m *member) publishPeople() func(digest []byte) error {
	if m == nil {
		return nil
	}
	return m.node.PublishPeople
}
