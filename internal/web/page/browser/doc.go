// Package browser tests the page in a real browser (Chromium, over its DevTools protocol), against a real server. There
// is no code in it that is not a test.
package browser
