package main

// ownerBesidesRoot returns 0: there is no root.
func ownerBesidesRoot(string) (uid, gid int, err error) { return 0, 0, nil }

// asOwner does nothing: what is made in a folder inherits who may use it.
func asOwner(dir string) (string, error) { return dir, nil }
