//go:build !race

package reactor

func raceRead([]byte) {}

func raceWrite([]byte) {}
