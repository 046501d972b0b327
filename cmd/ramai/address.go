package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// addressType is pflag's name for the type address.
const addressType = "address"

// nowhere is what an address flag takes for no address, where there need not be one.
const nowhere = "none"

// address is an address and a port to listen on, as a flag. An empty one would be all addresses and any port.
type address struct {
	value    *string // empty: nowhere
	optional bool
}

// String implements pflag.Value.
func (a address) String() string {
	if a.value == nil { // pflag asks a zero value what its default is
		return ""
	}
	if *a.value == "" && a.optional {
		return nowhere
	}
	return *a.value
}

// Set implements pflag.Value.
func (a address) Set(s string) error {
	if a.optional && s == nowhere {
		*a.value = ""
		return nil
	}
	if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
		or := ""
		if a.optional {
			or = ", or " + nowhere
		}
		return fmt.Errorf("%q is no address and port; it is to be like 127.0.0.1:2000, or :2000 for the whole network%s", s, or)
	}
	*a.value = s
	return nil
}

// Type implements pflag.Value.
func (a address) Type() string { return addressType }

// directory is the address of an ACME directory, as a flag.
type directory string

// String implements pflag.Value.
func (d *directory) String() string { return string(*d) }

// Set implements pflag.Value.
func (d *directory) Set(s string) error {
	if u, err := url.Parse(s); s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return fmt.Errorf("%q is no address of a directory; it is to be like https://acme-v02.api.letsencrypt.org/directory", s)
	}
	*d = directory(s)
	return nil
}

// Type implements pflag.Value.
func (d *directory) Type() string { return "url" }

// checkTogether finds settings that mean nothing without others.
func checkTogether(o serveOptions, keysOnly bool, domains []string, acmeDirectory, acmeEmail string) error {
	switch {
	case keysOnly && o.ssh == "":
		return errors.New("--ssh-keys-only is about SSH, which is nowhere; say where with --ssh, or leave it out")
	case acmeDirectory != "" && len(domains) == 0:
		return errors.New("--acme-directory says where certificates come from, but there is no --acme to get one for")
	case acmeEmail != "" && len(domains) == 0:
		return errors.New("--acme-email says whom the ACME server may write to, but there is no --acme to get a certificate for")
	}
	return nil
}
