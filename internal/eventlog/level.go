package eventlog

import "fmt"

// maxLevel is the highest possible level.
const maxLevel = 1 << 31

// LevelBody is the body of a Level: in all batches that follow, kinds up to Level exist. A server that runs alone submits
// it when it starts. In a cluster it is submitted when every node runs a program of that level; others stop.
//
// The command needs no id: repeated, it changes nothing, because a level is never lowered.
type LevelBody struct {
	_     struct{} `cbor:",toarray"`
	Level uint64
}

func (LevelBody) kind() Kind { return Level }

type levelKind struct {
	onDemand
	withBody[LevelBody]
	noRecords
}

func (levelKind) name() string { return "level" }

func (levelKind) check(c *Command) error {
	body, err := bodyOf[LevelBody](c)
	if err != nil {
		return err
	}
	if body.Level < 1 || body.Level > maxLevel {
		return fmt.Errorf("a level command has the level %d, want 1 to %d", body.Level, maxLevel)
	}
	return checkHead(c, 0)
}

// decide may raise the level above the program's own, which stops the program at the next batch.
func (levelKind) decide(c *Delta, tx Tx, o *Outcome) error {
	body, err := bodyOf[LevelBody](o.Command)
	if err != nil || body.Level <= c.level {
		return err
	}
	c.level = body.Level
	return tx.PutLevel(c.level)
}

// Level implements Store.
func (s *State) Level() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.level
}
