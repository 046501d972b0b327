package chat

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"ramai/internal/eventlog"
	"ramai/wire"
)

// Setting is what Set changes.
type Setting struct {
	Room  string
	ID    string // makes a retry recognizable, by sender and room
	Key   string
	Value wire.Value // null: the key has no value any more
	Until wire.Time  // of a rule: when it ends; 0: it does not

	AddressOf uint64 // with the key wire.AddressKey: number of a message that came from the address

	hashed   bool // the value is the hash of a password
	admitted bool // all checks have passed; only the queue was full
}

// Set changes a setting of a room. It counts as a message, and returns what Say returns. A password has to be hashed first, see
// HashPassword.
func (s *Service) Set(a *Actor, set *Setting, r Reply) error {
	if !set.admitted {
		if err := set.normalize(); err != nil {
			return err
		}
		if err := s.countSay(a, set.Room); err != nil {
			return err
		}
		if text := set.Value.Text; text != nil && !set.hashed {
			s.cfg.Log.Heard(a.Addr, set.Room, *text)
		}
		set.admitted = true
	}
	return s.submit(s.withOrigin(a, set.command(a.sender())), &r)
}

// normalize puts a text in the form in which it is stored, and checks the setting.
func (set *Setting) normalize() error {
	if set.HasPassword() {
		return &wire.CodedError{Code: wire.Internal, Reason: "the password was not hashed"}
	}
	if text := set.Value.Text; text != nil && !set.hashed {
		set.Value = wire.TextValue(norm.NFC.String(strings.TrimSpace(*text)))
	}
	if err := wire.CheckSetting(set.Key, set.Value); err != nil { // not a nil *wire.CodedError in an error
		return err
	}
	if err := wire.CheckUntil(set.Key, set.Value, set.Until); err != nil {
		return err
	}
	if err := wire.CheckAddressOf(set.Key, set.AddressOf); err != nil {
		return err
	}
	return nil
}

func (set *Setting) command(senderID string) eventlog.Command {
	return eventlog.Command{Kind: eventlog.Set, SenderID: senderID, Room: set.Room, ID: set.ID, Body: eventlog.SetBody{Key: set.Key, Value: set.Value, Until: set.Until, AddressOf: set.AddressOf}}
}

// settingsPerWork is how many settings are one unit of work.
const settingsPerWork = 8

// Settings returns a page of a room's settings, as far as the actor may see them. It counts as work and not as an event.
func (s *Service) Settings(a *Actor, ask wire.StateRequest) (wire.Settings, error) {
	limit := ask.Limit
	if limit == 0 {
		limit = wire.MaxSettings
	}
	if wait := s.rates.Work(s.cfg.Now(), key(a.SenderID), a.Addr.Addr(), whoWork+limit/settingsPerWork); wait > 0 {
		return wire.Settings{}, rateLimited(wait)
	}
	page := wire.Settings{Room: ask.Room}
	page.Settings, page.N, page.More = s.cfg.Store.SettingsFor(a.sender(), wire.TimeOf(s.cfg.Now()), ask.Room, ask.Prefix, ask.After, limit)
	if err := s.MayRead(a, ask.Room); err != nil { // after reading, so that nothing is newer than a change
		return wire.Settings{}, err
	}
	hidePassword(page.Settings)
	return page, nil
}

// asked fills a page with the newest questions or polls below a number.
func (s *Service) asked(page *wire.Page, as string, before uint64, limit int) error {
	bounds := s.cfg.Store.Bounds(page.Room) // data read after this is at least as new
	page.As, page.First, page.Head = as, bounds.First, bounds.Last
	numbers, more := s.cfg.Store.Asked(page.Room, as, before, limit)
	var found []wire.Message // newest first
	bytes := 0
	for i := len(numbers) - 1; i >= 0; i-- {
		records, _, err := s.cfg.Store.Read(page.Room, numbers[i]-1, 1)
		if err != nil {
			return err
		}
		messages, err := messagesOf(records)
		if err != nil {
			return err
		}
		if len(messages) == 0 || messages[0].N != numbers[i] || messages[0].As != as {
			continue // it was deleted meanwhile
		}
		found = append(found, messages[0])
		if bytes += len(messages[0].Text); bytes > wire.PageBytes {
			more = more || i > 0
			break
		}
	}
	slices.Reverse(found)
	page.Messages = fit(found, false, wire.PageBytes)
	page.More = more || len(page.Messages) < len(found)
	return nil
}
