// Package browser tests the page in Chromium, over its DevTools protocol, against a real server. It contains only tests.
package browser
