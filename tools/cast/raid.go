package main

import (
	"os"
	"path/filepath"
	"time"
)

// flood posts messages of 40 fresh senders in the room of the class, and says how many were accepted.
const flood = `#!/bin/bash
printf -v run %05d $RANDOM
for i in {10..49}; do
	curl -s -o /dev/null -w '%{http_code}\n' -H "Ramai-Session: newcomer-$run-00000$i" --json '{"text":"FREE COINS coins.example"}' http://localhost:2000/api/v1/rooms/class/messages \
		--next -s -o /dev/null -w '%{http_code}\n' -H "Ramai-Session: newcomer-$run-00000$i" --json '{"text":"lol lol lol lol lol lol"}' http://localhost:2000/api/v1/rooms/class/messages &
done >"$HOME/answers"
wait
echo "40 newcomers have sent 80 messages; $(grep -c 201 "$HOME/answers") were posted"
`

const (
	raidSampling = 250 * time.Millisecond // a flood changes all rows in each frame
	beforeRaid   = 65 * time.Second       // after the first messages of the members, which /erase newcomers 60s must not include
)

// recordRaid is the script of the animation in docs/MODERATING.md: newcomers flood a room, its owner ends that with two commands, takes
// the second one back, and repeats it.
func (s *session) recordRaid() {
	if s.err = os.WriteFile(filepath.Join(s.home, "flood"), []byte(flood), 0o700); s.err != nil {
		return
	}
	s.sampling = raidSampling
	newcomers := s.openTerminal("newcomers", 117, 5, 0, 0)
	anna := s.openTerminal("anna", 57, 18, 0, 1)
	budi := s.openTerminal("budi", 57, 18, 1, 1)
	newcomers.typeLine("ramai serve --quiet --rate 0 &")
	newcomers.waitFor("To open it to the network")
	s.ramai("say", "--name", "anna", "class", "Good morning! Today we draw fractals.")
	s.ramai("say", "--name", "budi", "class", "Is the Koch curve one?")
	s.ramai("say", "--name", "dewi", "class", "I have brought a snowflake.")
	s.pause(beforeRaid)
	newcomers.typeLine("clear")
	for _, t := range []*terminal{anna, budi} {
		t.typeLine("clear; ramai join class --name " + t.title)
		t.waitFor("live")
	}
	s.record()
	s.pause(time.Second)
	anna.typeLine("It is, budi. Who draws it?")
	budi.waitFor("Who draws it")
	newcomers.typeLine("flood")
	newcomers.waitFor("80 were posted")
	s.pause(time.Second)

	anna.typeLine("/raid")
	anna.waitFor("first messages of a person wait")
	newcomers.typeLine("clear; flood")
	newcomers.waitFor(" 0 were posted")
	anna.typeLine("/erase newcomers 60s")
	anna.waitFor("Erase 80 messages")
	s.pause(3 * time.Second)
	s.tmux("send-keys", "-t", anna.title, "y")
	anna.waitFor("80 messages of newcomers erased")
	s.pause(3 * time.Second)
	anna.typeLine("/undo")
	budi.waitFor("FREE COINS")
	s.pause(2 * time.Second)
	anna.typeLine("/erase newcomers 60s")
	anna.waitFor("Erase 80 messages")
	s.pause(time.Second)
	s.tmux("send-keys", "-t", anna.title, "y")
	anna.waitFor("80 messages of newcomers erased")
	anna.typeLine("/open")
	anna.waitFor("the room is open")
	budi.typeLine("I draw it!")
	anna.waitFor("I draw it")
	s.pause(4 * time.Second)
}
