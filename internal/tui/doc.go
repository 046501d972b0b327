// Package tui is the full-screen terminal client. It uses the chat only through package client, and the terminal only
// through a reader, a writer, the environment and window sizes. So it runs in a terminal as well as in a session of SSH,
// and many times in one process.
//
// The screen is a tree of models. screen is the root; it has the rooms (roomList), each with a timeline that owns the
// scroll position and an editor with the draft; the composer, which works on the editor of the room that is shown; a panel,
// if one is open; and the status, which is the connection and the current notice. Each has its own state, takes its own
// keys and draws its own rows. All share the display.
//
// Text of others passes through clean before it is drawn, and reaches the terminal only through the cells of the renderer,
// which knows styles and links and nothing else. Only http and https become links. Only a mention rings the bell.
//
// One goroutine, feed, collects the client's events into batches, at most one per frame. Everything else belongs to the
// goroutine of bubbletea that calls Update and View.
package tui
