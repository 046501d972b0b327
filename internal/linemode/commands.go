package linemode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ramai/client"
	"ramai/internal/commands"
	"ramai/internal/nearest"
	"ramai/wire"
)

// A command is a word after a slash. Where lines are typed, a line that begins with a slash is a command; otherwise it is a
// message like any other.
type command struct {
	names []string // the first one is listed
	words string   // its arguments
	help  string
	do    func(r *runner, ctx context.Context, words string)
}

// allCommands returns all commands, in the order in which they are listed: those of line mode, and those that it shares with the screen.
func allCommands() []command { return append(ownCommands(), sharedCommands()...) }

func ownCommands() []command {
	return []command{
		{[]string{"nick", "name"}, "NAME", "set your name; - releases it", (*runner).rename},
		{[]string{"who", "names"}, "[AN]", "who is here, or names that begin with AN", (*runner).who},
		{[]string{"list", "rooms"}, "", "the rooms of this server", (*runner).rooms},
		{[]string{"me"}, "TEXT", "post what you are doing", (*runner).me},
		{[]string{"history"}, "[COUNT]", "the newest messages with their numbers", (*runner).history},
		{[]string{"re", "reply"}, "N TEXT", "reply to message N; last: the newest", (*runner).reply},
		{[]string{"edit"}, "N TEXT", "edit your message N; last: your newest", (*runner).edit},
		{[]string{"delete"}, "N", "delete your message N; last: your newest", (*runner).delete},
		{[]string{"react"}, "N EMOJI [off]", "react to message N; last: the newest", (*runner).react},
		{[]string{"ask"}, "TEXT", "ask a question that others can upvote", (*runner).question},
		{[]string{"upvote", "up"}, "N [off]", "upvote message N; last: the newest question", (*runner).upvote},
		{[]string{"answered"}, "N", "mark question N as answered", (*runner).answered},
		{[]string{"poll"}, "TEXT | A | B", "take a vote on 2 to 12 options", (*runner).poll},
		{[]string{"vote"}, "N OPTION [off]", "vote in poll N for option 1 to 12; last: the newest", (*runner).vote},
		{[]string{"close"}, "N", "close poll N", (*runner).closePoll},
		{[]string{"topic"}, "TEXT", "set the topic of the room; - removes it", (*runner).topic},
		{[]string{"pin"}, "N", "pin message N", (*runner).pin},
		{[]string{"unpin"}, "N", "unpin message N", (*runner).unpin},
		{[]string{"stage"}, "N", "put message N on stage; - removes it", (*runner).stage},
		{[]string{"part", "quit", "exit", "leave"}, "", "leave; so does Ctrl-D", func(r *runner, _ context.Context, _ string) { r.left = true }},
		{[]string{"help", "h"}, "", "this list", (*runner).help},
	}
}

// Commands of other programs for features that do not exist here, with an explanation. They must not be posted in the room.
var absent = map[string]string{
	"msg": noPrivate, "query": noPrivate, "dm": noPrivate, "whisper": noPrivate, "w": noPrivate,
	"join": oneRoom, "j": oneRoom,
}

const (
	noPrivate = "there are no private messages: everyone in a room reads what is posted there; @NAME mentions somebody"
	oneRoom   = "there is one room, line by line; ramai join ROOM joins another, and without --lines the screen has several"
)

// command runs a line that begins with a slash.
func (r *runner) command(ctx context.Context, line string) {
	word, words, _ := strings.Cut(strings.TrimPrefix(line, "/"), " ")
	name, words := strings.ToLower(word), strings.TrimSpace(words)
	var known []string
	for _, c := range allCommands() {
		if slices.Contains(c.names, name) {
			if words == "" && c.words != "" && c.words[0] != '[' {
				r.note("/%s %s: %s", name, c.words, c.help)
				return
			}
			c.do(r, ctx, words)
			return
		}
		known = append(known, c.names...)
	}
	if why, ok := absent[name]; ok {
		r.note("%s", why)
		return
	}
	hint := "// posts a line that begins with a slash"
	if best := nearest.Word(name, known); best != "" {
		hint = "did you mean /" + best + "?"
	}
	r.note("there is no command /%s; %s", client.OneLine(word), hint)
}

func (r *runner) help(context.Context, string) {
	for _, c := range allCommands() {
		r.note("%-22s %s", strings.TrimSpace("/"+c.names[0]+" "+c.words), c.help)
	}
	r.note("%-22s post a line that begins with a slash", "//TEXT")
}

func (r *runner) rename(_ context.Context, name string) {
	if name == "-" {
		name = ""
	}
	if err := r.Client.SetName(name); err != nil {
		r.note("%v", err)
		return
	}
	r.Name = "" // the name requested at the start no longer matters
}

func (r *runner) me(_ context.Context, words string) { r.say(wire.Say{Text: "* " + words}) }

// askTimeout limits the wait for the answer to a command.
const askTimeout = 10 * time.Second

// ask prints the result of find, or its error, as a note. It does not wait for it.
func (r *runner) ask(ctx context.Context, find func(context.Context) (string, error)) {
	r.askThen(ctx, func(ctx context.Context) (func(), error) {
		answer, err := find(ctx)
		return func() { r.note("%s", answer) }, err
	})
}

// askThen runs find in the background, and then what it returns, or prints its error.
func (r *runner) askThen(ctx context.Context, find func(context.Context) (func(), error)) {
	r.asking++
	r.helpers.Go(func() {
		waiting, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		answer, err := find(waiting)
		if err != nil {
			why := err.Error()
			if coded := (*wire.CodedError)(nil); errors.As(err, &coded) {
				why = r.refusal(commands.RefusedBy(coded))
			}
			answer = func() { r.note("%s", client.OneLine(why)) }
		}
		select {
		case r.answers <- answer:
		case <-ctx.Done():
		}
	})
}

func (r *runner) who(ctx context.Context, prefix string) {
	r.ask(ctx, func(ctx context.Context) (string, error) {
		who, err := r.Client.Who(ctx, wire.Who{Room: r.Room, Prefix: prefix})
		if err != nil {
			return "", err
		}
		var names []string
		for _, name := range who.Names {
			names = append(names, client.OneLine(name))
		}
		return strings.TrimSuffix(fmt.Sprintf("people in %s: %d: %s", r.Room, who.Count, strings.Join(names, ", ")), ": "), nil
	})
}

func (r *runner) rooms(ctx context.Context, _ string) {
	if r.Rooms == nil || r.plain {
		r.note("this server cannot list its rooms")
		return
	}
	r.ask(ctx, func(ctx context.Context) (string, error) {
		page, err := r.Rooms(ctx)
		if err != nil {
			return "", err
		}
		lines := []string{}
		for _, room := range page.Rooms {
			lines = append(lines, fmt.Sprintf("%s: %d here, newest message %s", client.OneLine(room.Room), room.Count, room.At.Std().Local().Format(time.DateTime)))
		}
		switch {
		case len(lines) == 0:
			return "no room has messages yet", nil
		case page.More:
			lines = append(lines, "and more: ramai rooms prints all")
		}
		return strings.Join(lines, "\n"), nil
	})
}
