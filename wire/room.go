package wire

// A RoomFrame is a frame about one room.
type RoomFrame interface {
	Frame
	// RoomName is the name of the room; empty: an Unknown that is about none.
	RoomName() string
}

// RoomName implements RoomFrame.
func (f Joined) RoomName() string   { return f.Room }
func (f Reset) RoomName() string    { return f.Room }
func (f Message) RoomName() string  { return f.Room }
func (f Changed) RoomName() string  { return f.Room }
func (f Restored) RoomName() string { return f.Room }
func (f Presence) RoomName() string { return f.Room }
func (f Typing) RoomName() string   { return f.Room }
func (f Gap) RoomName() string      { return f.Room }
func (f Tally) RoomName() string    { return f.Room }
func (f Marked) RoomName() string   { return f.Room }
func (f State) RoomName() string    { return f.Room }
func (f Unknown) RoomName() string  { return f.Room }
func (f Left) RoomName() string     { return f.Room }
func (f OwnRole) RoomName() string  { return f.Room }
