// Package tui is the full-screen terminal client. It uses the chat only through package client, and the terminal only
// through a reader, a writer, the environment and window sizes. So it runs in a terminal as well as in a session of SSH,
// and many times in one process.
//
// The screen is a tree of models. screen is the root: it only routes. Below it are the list of rooms, each room with its
// timeline, its read mark, its draft and the paste that is being posted; the composer, which edits the draft of the room
// that is shown; a panel, if one is open; the status, which is the connection and the current notice; and the attention of
// the user. Each has its own state, takes its own messages and draws its own rows. A frame of the server goes to the status,
// to the identity of this client and to the list of rooms, and each takes what is for it. timeline alone owns the scroll
// position, the selected message and what is fetched for it.
//
// All models have the display, the chat and this user in common (shared). What one wants of another it sends to the queue
// there, as a value; the screen passes it on before Update returns.
//
// Text of others passes through clean before it is drawn, and reaches the terminal only through the cells of the renderer,
// which knows styles and links and nothing else. Only http and https become links. Only a mention rings the bell.
//
// One goroutine, feed, collects the client's events into batches, at most one per frame. Everything else belongs to the
// goroutine of bubbletea that calls Update and View.
package tui
