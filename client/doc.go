// Package client connects to a ramai server and stays connected: it is what the terminal, bots and load generators use.
//
// A [Client] is one sender over as many connections as it takes. [Client.Say] queues a text and returns at once; what
// was said is sent again, under the same id and in the same order, until the server has it on disk. [Client.Next]
// returns what happens, one [Event] after the other: what was said in the joined rooms, each message once and in the
// order of its number, and what became of the connection. Who does not call Next slows its own connection down and
// loses nothing.
//
// Against a server that does not speak ramai.v1 (the plain door: bare lines, no numbers) the same calls work as far as
// they can: an echo is all that confirms a line, and what a broken connection leaves open is reported as [Unconfirmed].
//
// Inside, the rules are in a core that reads no clock and opens no socket, so that a test can step it; around it is a
// driver that dials, reads, writes and waits.
package client
