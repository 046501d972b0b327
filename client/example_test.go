package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"

	"ramai/client"
	"ramai/wire"
)

// A bot that answers everyone who posts "ping".
func Example() {
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{URL: "http://127.0.0.1:2000/r/tea", Name: "pingpong"})
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		log.Fatalf("the server refuses this client: %s", refused.Reason)
	} else if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for {
		event, err := c.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch f := event.Frame.(type) {
		case wire.Message:
			fmt.Printf("%d %s: %s\n", f.N, client.Printable(f.DisplayName), client.Printable(f.Text))
			if f.Text == "ping" {
				if _, err := c.Say(f.Room, "pong"); err != nil {
					log.Fatal(err)
				}
			}
		case client.Disconnected:
			log.Printf("%v; retrying in %v", f.Err, f.Wait)
		}
	}
}

// Post a message and wait until it is saved.
func ExampleSent() {
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{URL: "http://127.0.0.1:2000/", Last: client.NoJoin})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	id, err := c.Say("tea", "The kettle is on.")
	if err != nil {
		log.Fatal(err)
	}
	for {
		event, err := c.Next(ctx)
		if err != nil {
			log.Fatalf("%v; not confirmed: %v", err, c.Outbox())
		}
		m, ok := event.Frame.(client.Sent)
		if !ok || m.ID != id {
			continue
		}
		switch m.State {
		case client.Saved:
			fmt.Printf("saved as message %d\n", m.N)
			return
		case client.Failed:
			log.Fatalf("not saved: %s", m.Reason)
		default:
			log.Printf("%v %s", m.State, m.Reason)
		}
	}
}

// Begin a poll, vote, and print the votes as they come.
func ExampleReplica() {
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Config{URL: "http://127.0.0.1:2000/r/tea", Name: "host", Last: 50})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	id, err := c.Post(wire.Say{Room: "tea", Text: "Which tea?", As: wire.Poll, Options: []string{"green", "black"}})
	if err != nil {
		log.Fatal(err)
	}
	var tea client.Replica
	for n := uint64(0); ; {
		event, err := c.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		tea.Apply(event.Frame) // all frames are of this room
		if sent, ok := event.Frame.(client.Sent); ok && sent.ID == id && sent.State == client.Saved {
			n = sent.N
			if err := c.Mark(wire.Mark{Room: "tea", Of: n, Key: "0", On: true}); err != nil { // a vote for the first option
				log.Fatal(err)
			}
		}
		if poll, ok := tea.ShownMessage(n, c.PendingIn("tea")); ok {
			for i, option := range poll.Options {
				fmt.Printf("%s: %d\n", client.Printable(option), poll.Tally[strconv.Itoa(i)])
			}
		}
	}
}

func ExamplePrintable() {
	fmt.Println(client.Printable("red \x1b[31malert\x1b[0m, and a new title\x1b]0;owned\a"))
	// Output: red alert, and a new title
}
