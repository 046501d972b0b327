package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/wire"
)

// A Host is where a command runs, in one room: the screen or line mode. Its methods are called only while the command runs, except that
// functions it was given may be called later. The texts it gets may contain text of others; it makes them safe to show.
type Host interface {
	Room() string
	Link() string                                                                  // the address of the room in a browser, as others reach it
	Device() string                                                                // what another device calls this one
	SenderID() string                                                              // of this user; empty: not known yet
	Role() wire.Role                                                               // of this user; none: not known
	People() *People                                                               // the senders of the room's messages
	Author(n uint64) string                                                        // the sender id of message n; empty: the message is not in memory
	Now() time.Time                                                                // the server's time, as far as it is known
	When(t time.Time) string                                                       // a time as people read it, such as 14:02
	Say(m wire.Say, line string)                                                   // posts a message; line is the command as it was typed
	Set(c Change)                                                                  // changes a setting of the room, whose name is filled in, and shows what is so once it is saved
	Moderate(m wire.Moderate, done func(n uint64) string)                          // erases messages, undoes that, or decides about a held message; once it is saved, shows what is so
	Held() []Held                                                                  // messages of this user in the room that wait for a moderator, in order
	Withdraw(id string)                                                            // takes one of them back, and shows what became of it
	LastErasure() uint64                                                           // number of the newest erasure that this client has made in the room; 0: none
	Inform(words string)                                                           // shows what was done
	Warn(words string)                                                             // shows why nothing was done
	Confirm(c Confirmation)                                                        // asks before something that cannot be undone
	Choose(c Choice)                                                               // asks which one is meant
	Ask(ask func(ctx context.Context, server Server) (func(h Host) Answer, error)) // asks the server, not in this goroutine, and shows the answer or the error
}

// Held is a message of this user that waits for a moderator.
type Held struct{ ID, Text string }

// Server answers requests. Its methods wait for the answer.
type Server interface {
	Settings(ctx context.Context, ask wire.StateRequest) (wire.Settings, error)
	Invite(ctx context.Context, ask wire.Invite) (wire.Invited, error)
	Redeem(ctx context.Context, ask wire.Redeem) (wire.OwnRole, error)
	Join(room string, last int) error
	History(ctx context.Context, h wire.History) (wire.Page, error)
	LinkCode(ctx context.Context, device string) (wire.LinkCode, error)
	LinkDevice(ctx context.Context, code string, confirm bool) (wire.Linking, error)
	SignOut(ctx context.Context, all bool) error
	Report(ctx context.Context, r wire.Report) error
	Settle(ctx context.Context, room string, n uint64) error
	Preview(ctx context.Context, room string, selection wire.Selection) (wire.Preview, error)
	UndoBy(ctx context.Context, room string, actions wire.ActionsOf, to uint64) (wire.Undone, error)
}

// A Confirmation is a question with one answer that does something.
type Confirmation struct {
	Question string
	Rows     []Row  // what it is about; may be nil
	Yes      string // what Do does, in a word or two
	Do       func(h Host)
}

// A Choice is a question whose answer is one of several rows.
type Choice struct {
	Title string
	Rows  []Row
	Do    func(h Host, i int) // is given the index of the chosen row
}

// An Answer is what the server has said. Without rows, the title is all of it; without both, nothing is shown.
type Answer struct {
	Title string
	Rows  []Row
	Pick  func(h Host, i int) // is called when a row is chosen, where rows can be chosen; nil: they cannot
	QR    string              // a link that a screen also shows as a QR code; may be empty
}

// A Row is a line of a list.
type Row struct {
	SenderID string // whose colour Name has; may be empty
	Name     string // may be empty
	Text     string
	Action   bool // choosing the row does what it says; where rows cannot be chosen, it is left out
}

// A Command is a word after a slash.
type Command struct {
	Name  string
	Also  []string  // its other names
	Args  string    // as people read them; optional ones are in brackets
	Takes []Kind    // the same, to complete them
	Needs wire.Role // the lowest role that can use it; 0: everybody
	Help  string
	Run   func(h Host, args string)

	Secret bool // the arguments are a secret, which is not remembered
}

// Kind is what an argument of a command is.
type Kind uint8

// The kinds of arguments.
const (
	PersonArg Kind = iota + 1
	RoleArg
	EveryoneArg
	TimeArg
	PresetArg
	HoldArg
	MayArg
	TextArg
)

// Do runs the command in the room of the host. The room of a room's moderators has no rules and no moderators of its own, so what they
// do is done in the room itself.
func (c *Command) Do(h Host, args string) {
	if base, _ := wire.BaseRoom(h.Room()); base != h.Room() && c.Needs >= wire.RoleModerator {
		h.Warn(fmt.Sprintf("/%s acts on a room, and %s is that of its moderators; /join %s, and repeat it there", c.Name, h.Room(), base))
		return
	}
	c.Run(h, args)
}

// Required reports whether a command needs an argument.
func (c *Command) Required() bool { return c.Args != "" && c.Args[0] != '[' }

// Is reports whether a word is one of the command's names.
func (c *Command) Is(word string) bool { return word == c.Name || slices.Contains(c.Also, word) }

// Table returns all commands, in the order in which they are listed.
func Table() []Command {
	return append([]Command{
		{Name: "whois", Args: "PERSON", Takes: []Kind{PersonArg}, Help: "who somebody is: their sender id, their newest message, their role", Run: whois},
	}, slices.Concat(ruleCommands(), moderateCommands(), inviteCommands(), queueCommands(), auditCommands(), sessionCommands())...)
}

// Find returns the command with a name, or nil.
func Find(word string) *Command {
	table := Table()
	i := slices.IndexFunc(table, func(c Command) bool { return c.Is(word) })
	if i < 0 {
		return nil
	}
	return &table[i]
}

// lastWord splits args before their last word.
func lastWord(args string) (before, word string) {
	i := strings.LastIndexByte(args, ' ')
	return strings.TrimSpace(args[:i+1]), args[i+1:]
}
