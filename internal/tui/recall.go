package tui

import "strings"

// remember adds to the history.
func (c *editor) remember(s string) {
	back := len(c.history) - c.historyAt // keeps its distance from the end while an entry is shown
	if s != "" && (len(c.history) == 0 || c.history[len(c.history)-1] != s) {
		if back > 0 {
			back++
		}
		c.history = append(c.history, s)
		before := len(c.history)
		c.history = latest(c.history, maxHistory, maxKept, func(s string) int { return len(s) })
		c.searchHit = max(c.searchHit-(before-len(c.history)), -1)
	}
	c.historyAt = max(len(c.history)-back, 0)
}

// recall moves through the history: back if by is negative.
func (c *editor) recall(by int) {
	c.showHistory(c.historyAt + by)
}

// showHistory shows an entry of the history, or the draft after the last one.
func (c *editor) showHistory(at int) {
	if at < 0 || at > len(c.history) {
		return
	}
	if !c.recalled() {
		if c.historyAt < len(c.history) && len(c.beforeHistory) > 0 { // the entry was changed, and replaces the draft
			c.killed = strings.Join(c.beforeHistory, "")
		}
		c.beforeHistory = c.text
	}
	c.historyAt = at
	if at == len(c.history) {
		c.text = c.beforeHistory
	} else {
		c.text = split(c.history[at])
	}
	c.cursor = len(c.text)
}

// recalled reports whether the text is an unchanged entry of the history.
func (c *editor) recalled() bool {
	return c.historyAt < len(c.history) && c.String() == c.history[c.historyAt]
}

// search searches the history for searchWords, before from.
func (c *editor) search(from int) {
	for c.searchHit = min(from, len(c.history)) - 1; c.searchHit >= 0; c.searchHit-- {
		if strings.Contains(strings.ToLower(c.history[c.searchHit]), strings.ToLower(c.searchWords)) {
			return
		}
	}
}

// startSearch begins a search of the history.
func (c *editor) startSearch() {
	c.searching, c.searchWords = true, ""
	c.search(len(c.history))
}

// searchKey handles a key during a search of the history. It reports whether the key needs further handling.
func (c *editor) searchKey(key, text string) (further bool) {
	switch key {
	case "ctrl+r":
		if was := c.searchHit; was > 0 {
			if c.search(was); c.searchHit < 0 {
				c.searchHit = was
			}
		}
	case "backspace", "ctrl+h":
		if all := split(c.searchWords); len(all) > 0 {
			c.searchWords = strings.Join(all[:len(all)-1], "")
			c.search(len(c.history))
		}
	case "esc", "ctrl+g", "ctrl+c":
		c.searching = false
	default:
		if text != "" {
			c.searchWords += text
			c.search(len(c.history))
			return false
		}
		c.searching = false
		if c.searchHit >= 0 {
			c.showHistory(c.searchHit)
		}
		return key != "enter" && key != "tab"
	}
	return false
}
