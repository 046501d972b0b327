// Package tui is the full-screen terminal client. It knows the chat through package client alone, and the terminal
// through what it is handed: a reader, a writer, the environment, window sizes. So it runs in a terminal as well as in a
// session of SSH, and many times at once in one process.
//
// Rules of what reaches the terminal: whatever others wrote goes through clean, and after that only through the cells of
// the renderer, which knows styles and links and nothing else. Only http and https become links. The bell rings for a
// mention. There is no other way out.
//
// One goroutine, feed, turns the client's events into batches, at most one every frame. Everything else belongs to the
// goroutine of bubbletea that calls Update and View.
package tui
