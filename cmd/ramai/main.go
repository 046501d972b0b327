// Command ramai is a broadcast chat: a server, and clients for the terminal. README.md describes how to use it.
package main

import (
	"context"
	"os"

	"ramai/internal/timerslack"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		timerslack.Apply()
	}
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
