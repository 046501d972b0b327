// Package client connects to a ramai server and stays connected. The terminal and bots use it.
//
// A [Client] is one sender, over as many connections as it takes. [Client.Say] queues a message and returns at once. The
// message is sent again, under the same id and in the same order, until the server has it on disk; [Sent] events report its
// [State]. [Client.Next] returns one [Event] after the other: the messages of the joined rooms, each once and in the order
// of its number, and changes of the connection. A program that is slow to call Next slows its own connection down and loses
// nothing.
//
// Besides saying something, a sender can change what it said ([Client.Edit], [Client.Delete]), ask a question or begin a poll
// ([Client.Post]), react, vote and upvote ([Client.Mark]), and change the topic, the pinned messages and other settings of a room
// ([Client.Set]). Changes and settings are sent as messages are, and marks until they are answered. Not every number of a room is a
// message: these have numbers, too.
//
// A [Replica] is a copy of a room that stays equal to the server's, whatever order frames and pages of history arrive in.
// [Replica.Shown] returns it as a screen shows it, including unsaved changes and messages.
//
// With a server that does not speak ramai.v1 but the plain protocol (bare lines without numbers) the same calls work as far
// as possible: only an echo confirms a message, and if the connection breaks before the echo, the message has failed with
// [Sent].Unknown.
//
// The rules are in a core that reads no clock and opens no socket, so that a test can step it. A driver around it dials,
// reads, writes and waits.
package client
