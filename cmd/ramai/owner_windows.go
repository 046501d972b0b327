package main

// ownerBesidesRoot returns 0, because there is no root.
func ownerBesidesRoot(string) (uid, gid int, err error) { return 0, 0, nil }

// asOwner does nothing, because new files inherit the permissions of their folder.
func asOwner(dir string) (string, error) { return dir, nil }
