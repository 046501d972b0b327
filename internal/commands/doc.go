// Package commands has the commands that the screen and line mode share: those of moderators, and those about people. It parses
// their arguments, finds the person that a name means, and says what was done. What differs between the two is behind [Host]: how
// something is shown, asked and sent.
//
// Every list of commands begins here. A command that both need is added to Table, with a function that uses nothing but its Host.
//
// A name is not a person: names are released and taken again, and two guests may have used the same one. So a command always acts on
// a sender id. If a name, or one that looks like it, belongs to several senders, the user chooses one.
package commands
