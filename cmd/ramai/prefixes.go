package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// prefixes is a flag of networks: CIDR, or single addresses. It may be given several times, or with commas.
type prefixes []netip.Prefix

// String implements pflag.Value.
func (p *prefixes) String() string {
	var all []string
	for _, one := range *p {
		all = append(all, one.String())
	}
	return strings.Join(all, ",")
}

// Set implements pflag.Value.
func (p *prefixes) Set(s string) error {
	for one := range strings.SplitSeq(s, ",") {
		one = strings.TrimSpace(one)
		network, err := netip.ParsePrefix(one)
		if err != nil {
			addr, bad := netip.ParseAddr(one)
			if bad != nil {
				return fmt.Errorf("%q is no address or network; it is to be like 10.0.0.1 or 10.0.0.0/8", one)
			}
			network = netip.PrefixFrom(addr, addr.BitLen())
		}
		*p = append(*p, network.Masked())
	}
	return nil
}

// Type implements pflag.Value.
func (p *prefixes) Type() string { return "network" }
