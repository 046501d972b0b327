package tui

const stageVariable = "RAMAI_TUI_STAGE"

func onStage() int { return 0 }
