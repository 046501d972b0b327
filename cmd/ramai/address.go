package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// addressType is pflag's name for the type address.
const addressType = "address"

// noAddress is the value of an optional address flag that is off.
const noAddress = "none"

// address is a flag for an address and a port to listen on. It rejects an empty value, which would mean all addresses and a
// random port.
type address struct {
	value    *string // empty: off
	optional bool
}

// String implements pflag.Value.
func (a address) String() string {
	if a.value == nil { // pflag calls String on a zero value
		return ""
	}
	if *a.value == "" && a.optional {
		return noAddress
	}
	return *a.value
}

// Set implements pflag.Value.
func (a address) Set(s string) error {
	if a.optional && s == noAddress {
		*a.value = ""
		return nil
	}
	if _, port, err := net.SplitHostPort(s); err != nil || port == "" {
		or := ""
		if a.optional {
			or = ", or " + noAddress
		}
		return fmt.Errorf("invalid address %q (want a host and a port, for example 127.0.0.1:2000, or :2000 for all addresses%s)", s, or)
	}
	*a.value = s
	return nil
}

// Type implements pflag.Value.
func (a address) Type() string { return addressType }

// directory is a flag for the URL of an ACME directory.
type directory string

// String implements pflag.Value.
func (d *directory) String() string { return string(*d) }

// Set implements pflag.Value.
func (d *directory) Set(s string) error {
	if u, err := url.Parse(s); s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "") {
		return fmt.Errorf("invalid URL %q (want, for example, https://acme-v02.api.letsencrypt.org/directory)", s)
	}
	*d = directory(s)
	return nil
}

// Type implements pflag.Value.
func (d *directory) Type() string { return "url" }

// checkCombination rejects settings that have no effect without others.
func checkCombination(o serveOptions, keysOnly bool, domains []string, acmeDirectory, acmeEmail string) error {
	switch {
	case keysOnly && o.ssh == "":
		return errors.New("--ssh-keys-only requires --ssh")
	case acmeDirectory != "" && len(domains) == 0:
		return errors.New("--acme-directory requires --acme")
	case acmeEmail != "" && len(domains) == 0:
		return errors.New("--acme-email requires --acme")
	}
	return nil
}
