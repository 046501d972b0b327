package sqlite

// own does nothing: what is made in a folder inherits who may use it.
func own(path, dir string) error { return nil }
