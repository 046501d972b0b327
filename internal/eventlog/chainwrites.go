package eventlog

import "ramai/wire"

func (t *chainTx) PutID(generation uint64, k IDKey, e IDEntry) (IDEntry, bool, error) {
	t.begin(1).number(generation).text(string(k[:])).number(e.N).time(e.At).number(uint64(e.Sum)).end()
	return t.Tx.PutID(generation, k, e)
}

func (t *chainTx) EraseIDSum(generation uint64, k IDKey) error {
	t.begin(2).number(generation).text(string(k[:])).end()
	return t.Tx.EraseIDSum(generation, k)
}

func (t *chainTx) ReplaceRecord(r *Record) error {
	t.begin(3).record(r).end()
	return t.Tx.ReplaceRecord(r)
}

func (t *chainTx) PutRecord(r *Record) error {
	t.begin(4).record(r).end()
	return t.Tx.PutRecord(r)
}

func (t *chainTx) DeleteRecords(room string, from, to uint64) error {
	t.begin(5).text(room).number(from).number(to).end()
	return t.Tx.DeleteRecords(room, from, to)
}

func (t *chainTx) PutBounds(room string, b Bounds, at wire.Time) error {
	t.begin(6).text(room).number(b.First).number(b.Last).time(at).end()
	return t.Tx.PutBounds(room, b, at)
}

func (t *chainTx) DeleteRoom(room string, slot RemovedSlot, last uint64) error {
	t.begin(7).text(room).number(uint64(slot)).number(last).end()
	return t.Tx.DeleteRoom(room, slot, last)
}

func (t *chainTx) PutLease(l NameLease) error {
	t.begin(8).text(l.SenderID).text(l.Name).text(l.Key).flag(l.Bound).text(l.Node).time(l.Used).end()
	return t.Tx.PutLease(l)
}

func (t *chainTx) DeleteLease(senderID string) error {
	t.begin(9).text(senderID).end()
	return t.Tx.DeleteLease(senderID)
}

func (t *chainTx) PutRegistration(r NameRegistration) error {
	t.begin(10).text(r.SenderID).text(r.Name).text(r.Key).time(r.Since).end()
	return t.Tx.PutRegistration(r)
}

func (t *chainTx) DeleteRegistration(key string) error {
	t.begin(11).text(key).end()
	return t.Tx.DeleteRegistration(key)
}

func (t *chainTx) PutIDGeneration(g IDGeneration) error {
	t.begin(12).number(g.Number).time(g.Since).end()
	return t.Tx.PutIDGeneration(g)
}

func (t *chainTx) DeleteIDs(below uint64) error {
	t.begin(13).number(below).end()
	return t.Tx.DeleteIDs(below)
}

func (t *chainTx) PutEpoch(e Epoch, oldest uint64) error {
	t.begin(14).number(e.Number).text(e.Name).number(oldest).end()
	return t.Tx.PutEpoch(e, oldest)
}

func (t *chainTx) PutSpan(room string, s Span, oldest uint64) error {
	t.begin(15).text(room).number(s.From).number(s.Epoch).number(oldest).end()
	return t.Tx.PutSpan(room, s, oldest)
}

func (t *chainTx) PutNode(node string, state NodeState) error {
	t.begin(16).text(node).number(state.Incarnation).number(state.Seq).end()
	return t.Tx.PutNode(node, state)
}

func (t *chainTx) PutLimits(l Limits) error {
	t.begin(17).number(uint64(l.MaxRooms)).number(uint64(l.EditWindow)).end()
	return t.Tx.PutLimits(l)
}

func (t *chainTx) PutSetting(room string, s Setting) error {
	t.begin(18).text(room).text(s.Key).text(string(EncodeValue(s.Value))).number(s.N).time(s.Until).end()
	return t.Tx.PutSetting(room, s)
}

func (t *chainTx) DeleteSetting(room, key string) error {
	t.begin(19).text(room).text(key).end()
	return t.Tx.DeleteSetting(room, key)
}

func (t *chainTx) PutMark(room string, n uint64, sender, key string) error {
	t.begin(20).text(room).number(n).text(sender).text(key).end()
	return t.Tx.PutMark(room, n, sender, key)
}

func (t *chainTx) DeleteMark(room string, n uint64, sender, key string) error {
	t.begin(21).text(room).number(n).text(sender).text(key).end()
	return t.Tx.DeleteMark(room, n, sender, key)
}

func (t *chainTx) PutCount(room string, n uint64, key string, count uint64) error {
	t.begin(22).text(room).number(n).text(key).number(count).end()
	return t.Tx.PutCount(room, n, key, count)
}

func (t *chainTx) PutPending(room string, n uint64) (bool, error) {
	t.begin(23).text(room).number(n).end()
	return t.Tx.PutPending(room, n)
}

func (t *chainTx) DeletePending(room string, from, to uint64) (int, error) {
	t.begin(24).text(room).number(from).number(to).end()
	return t.Tx.DeletePending(room, from, to)
}

func (t *chainTx) PutTallyTime(room string, tally TallyTime) error {
	t.begin(25).text(room).time(tally.At).number(tally.Through).end()
	return t.Tx.PutTallyTime(room, tally)
}

func (t *chainTx) DropMarks(room string, from, to uint64) error {
	t.begin(26).text(room).number(from).number(to).end()
	return t.Tx.DropMarks(room, from, to)
}

func (t *chainTx) DeleteDroppedMarks() error {
	t.begin(27).end()
	return t.Tx.DeleteDroppedMarks()
}

func (t *chainTx) PutEntry(e *Entry) error {
	t.begin(28).number(uint64(e.Table)).text(e.Room).text(e.Key).text(e.Value).end()
	return t.Tx.PutEntry(e)
}

func (t *chainTx) DeleteEntry(table Table, room, key string) error {
	t.begin(29).number(uint64(table)).text(room).text(key).end()
	return t.Tx.DeleteEntry(table, room, key)
}

func (t *chainTx) PutLevel(level uint64) error {
	t.begin(30).number(level).end()
	return t.Tx.PutLevel(level)
}
