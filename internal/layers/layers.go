// Package floors holds the law of which package may use which. There is no code in it: the law is the text at the top
// of its test, and the test is what keeps it.
package layers
