package tui

import (
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/wire"
)

// Settings of a room: its topic, and what is pinned and on stage. See polls.go for the state of polls and questions.

// roomSettings is what a room shows above its messages.
type roomSettings struct {
	topic string
	pins  []uint64
	stage uint64 // 0: none
}

// shown returns the messages that are shown above the others: the one on stage and the newest pinned one.
func (s *roomSettings) shown() (numbers []uint64) {
	if s.stage > 0 {
		numbers = append(numbers, s.stage)
	}
	if len(s.pins) > 0 {
		numbers = append(numbers, s.pins[len(s.pins)-1])
	}
	return numbers
}

// refreshSettings takes over the settings that the replica has.
func (r *room) refreshSettings() {
	s := r.timeline.replica.Shown(r.chat.PendingIn(r.name))
	r.settings = roomSettings{s.Topic, s.Pins, s.Stage}
}

// setting handles a setting that was changed.
func (r *room) setting(f wire.State) {
	r.skip(f.N)
	r.settingChanged(f.Key)
	if f.SenderID == r.self.senderID || f.N <= r.read.joinedAt || !r.timeline.shown {
		return
	}
	who := r.timeline.style.senderLabel(&item{senderID: f.SenderID, displayName: f.DisplayName})
	if who == "" {
		who = "the operator"
	}
	switch {
	case f.Key == wire.TopicKey && r.settings.topic == "":
		r.inform("%s removed the topic", who)
	case f.Key == wire.TopicKey:
		r.inform("%s set the topic: %s", who, oneLine(r.settings.topic, r.method))
	case f.Key == wire.PinKey:
		r.inform("%s changed the pinned messages", who)
	case f.Key == wire.StageKey && r.settings.stage > 0:
		r.inform("%s put message %s on stage", who, thousands(r.settings.stage))
	case wire.IsRule(f.Key) && !hidden(f.Key):
		words := commands.Describe(&host{screen: &screen{shared: r.shared}, r: r}, wire.Setting{Key: f.Key, Value: f.Value, Until: f.Until})
		r.inform("%s: %s", who, oneLine(words, r.method))
	}
}

// hidden reports whether frames have a setting without its value.
func hidden(key string) bool {
	_, hidden := wire.HiddenKey(key)
	return hidden
}

// settingChanged draws what a setting is about.
func (r *room) settingChanged(key string) {
	for _, prefix := range []string{wire.PollPrefix, wire.QuestionPrefix} {
		if n, ok := wire.KeyNumber(key, prefix); ok {
			r.timeline.refresh(n)
			return
		}
	}
	r.refreshSettings()
}

// set queues a setting.
func (s *screen) set(key string, v wire.Value) tea.Cmd {
	if err := wire.CheckSetting(key, v); err != nil {
		s.warn("%s", err.Reason)
		return nil
	}
	r := s.room()
	if _, err := s.chat.Set(wire.Set{Room: r.name, Key: key, Value: v}); err != nil {
		s.warn("%s", reason(err, s.method))
		return nil
	}
	r.settingChanged(key)
	return nil
}

// settingSent handles the new state of a setting of this user.
func (r *room) settingSent(f client.Sent) {
	switch f.State {
	case client.Saved:
		r.timeline.head = max(r.timeline.head, f.N)
	}
	r.answered(f, f.Key+" was not changed")
	r.settingChanged(f.Key)
}

// header is the line below the rooms: the topic, what is on stage, and the newest pinned message.
func (s *screen) header() string {
	r := s.room()
	var parts []string
	if until, locked := r.locked(); locked {
		words := "locked"
		if until != 0 {
			words += " until " + r.when(until.Std())
		}
		parts = append(parts, words)
	}
	if topic := oneLine(r.settings.topic, s.method); topic != "" {
		parts = append(parts, topic)
	}
	if n := r.settings.stage; n > 0 {
		parts = append(parts, "on stage: "+r.briefly(n))
	}
	if pins := r.settings.pins; len(pins) > 0 {
		parts = append(parts, strings.TrimSpace(fmt.Sprintf("%d pinned: %s", len(pins), r.briefly(pins[len(pins)-1]))))
	}
	words, _ := fit(strings.Join(parts, " · "), s.width-2, s.method)
	return words
}

// briefly is a message in one line.
func (r *room) briefly(n uint64) string {
	m, ok := r.timeline.replica.ShownMessage(n, client.Pending{})
	switch {
	case !ok:
		return "message " + thousands(n)
	case m.Gone:
		return "message deleted"
	}
	text, _ := fit(oneLine(m.Text, r.method), 40, r.method)
	return text
}

// headerRows is the height of the header.
func (s *screen) headerRows() int {
	_, locked := s.room().locked()
	if set := &s.room().settings; s.height >= forHeader && (locked || set.topic != "" || set.stage > 0 || len(set.pins) > 0) {
		return 1
	}
	return 0
}

func (s *screen) setTopic(words string) tea.Cmd {
	switch {
	case s.plainOnly():
	case words == "" && s.room().settings.topic == "":
		s.inform("this room has no topic; /topic TEXT sets one")
	case words == "":
		s.inform("%s", oneLine(s.room().settings.topic, s.method))
	case words == "-":
		return s.set(wire.TopicKey, wire.Value{})
	default:
		return s.set(wire.TopicKey, wire.TextValue(words))
	}
	return nil
}

// pinItem pins a message, or takes it off the pins if it is there.
func (s *screen) pinItem(it *item) tea.Cmd {
	return s.setPin(it.n, !slices.Contains(s.room().settings.pins, it.n))
}

// setPin pins a message, or takes it off the pins.
func (s *screen) setPin(n uint64, on bool) tea.Cmd {
	pins := slices.DeleteFunc(slices.Clone(s.room().settings.pins), func(p uint64) bool { return p == n })
	if on {
		pins = append(pins, n)
		slices.Sort(pins)
	}
	v := wire.Value{Numbers: pins}
	if len(pins) == 0 {
		v = wire.Value{}
	}
	return s.set(wire.PinKey, v)
}

func (s *screen) pin(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	if it, _, ok := s.target(words, false); ok {
		return s.setPin(it.n, true)
	}
	return nil
}

func (s *screen) unpin(words string) tea.Cmd {
	pins := s.room().settings.pins
	n := uint64(0)
	switch {
	case s.plainOnly():
		return nil
	case len(pins) == 0:
		s.inform("nothing is pinned here")
		return nil
	case words == "" || words == "last":
		n = pins[len(pins)-1]
	default:
		var ok bool
		if n, ok = s.number(words); !ok {
			return nil
		}
	}
	if !slices.Contains(pins, n) {
		s.warn("message %s is not pinned", thousands(n))
		return nil
	}
	return s.setPin(n, false)
}

// listPins shows the pinned messages.
func (s *screen) listPins(string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	r := s.room()
	p := &panel{title: "Pinned in " + r.name, empty: "nothing is pinned here; /pin pins the newest message"}
	pins := slices.Clone(r.settings.pins)
	slices.Reverse(pins)
	for _, n := range pins {
		p.rows = append(p.rows, s.messageRow(r, n))
	}
	p.pick = func(i int) tea.Msg { return goTo{r.name, pins[i]} }
	s.openPanel(showPanel{panel: p})
	return nil
}

// messageRow is a message in a panel.
func (s *screen) messageRow(r *room, n uint64) row {
	m, ok := r.timeline.replica.ShownMessage(n, client.Pending{})
	if !ok {
		return row{text: []span{{text: "message " + thousands(n)}}}
	}
	who := s.style.senderLabel(&item{n: n, senderID: m.SenderID, displayName: m.DisplayName, own: m.SenderID == s.self.senderID})
	text := oneLine(m.Text, s.method)
	if m.Gone {
		text = "message deleted"
	}
	return row{senderID: m.SenderID, text: []span{{text: text}}, before: []span{
		{text: m.At.Std().In(s.zone).Format(s.formats.moment) + "  ", kind: dim}, {text: who, kind: name}, {text: "  "},
	}}
}

// stage puts a message on stage, or shows what is there.
func (s *screen) stage(words string) tea.Cmd {
	if s.plainOnly() {
		return nil
	}
	r := s.room()
	switch {
	case words == "" && r.settings.stage == 0:
		s.inform("nothing is on stage; /stage N shows message N to everybody who watches the stage")
		return nil
	case words == "":
		s.openPanel(showPanel{panel: s.stagePanel(r)})
		return nil
	case words == "-":
		return s.set(wire.StageKey, wire.Value{})
	}
	if it, _, ok := s.target(words, false); ok {
		return s.set(wire.StageKey, wire.NumberValue(it.n))
	}
	return nil
}

// stagePanel shows what is on stage in a room, as it is now.
func (s *screen) stagePanel(r *room) *panel {
	p := &panel{title: "On stage in " + r.name}
	p.below = func(b *style, height int) []string {
		m, ok := r.timeline.replica.ShownMessage(r.settings.stage, r.chat.PendingIn(r.name))
		switch {
		case r.settings.stage == 0:
			return []string{" " + b.textStyles[dim].Styled("nothing")}
		case !ok:
			return []string{" " + b.textStyles[dim].Styled("loading …")}
		}
		it := r.timeline.itemOf(m)
		lines := r.timeline.render(it, renderKey{style: b, expanded: true, state: it.state, quote: r.timeline.quoteOf(it)}).lines
		return lines[:min(len(lines), height)]
	}
	return p
}
