#!/bin/sh
# Builds bin/ramai_VERSION_ARCH.deb from bin/ramai and prints its name. Called by make deb, in the root of the checkout.
# DEBCOMPRESSION has options of dpkg-deb.
set -eu
version=$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/; s/-/./g') || true
[ -n "$version" ] || version=$(git log -1 --format='0~%cd.%h' --date=format:%Y%m%d.%H%M%S 2>/dev/null) || true
[ -n "$version" ] || version=0~unknown
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"

install -D -m 0755 bin/ramai "$root/usr/bin/ramai"
install -D -m 0644 packaging/ramai.service "$root/lib/systemd/system/ramai.service"
install -D -m 0644 docs/config.example.toml "$root/etc/ramai/config.toml"
for doc in README.md CHANGELOG.md ARCHITECTURE.md $(find docs -type f) packaging/ramai.service; do # the layout of the checkout, so that links work
	install -D -m 0644 "$doc" "$root/usr/share/doc/ramai/$doc"
done
completions() { # SHELL PATH
	mkdir -p "$root/$(dirname "$2")"
	bin/ramai completion "$1" >"$root/$2"
	chmod 0644 "$root/$2"
}
completions bash usr/share/bash-completion/completions/ramai
completions zsh usr/share/zsh/vendor-completions/_ramai
completions fish usr/share/fish/vendor_completions.d/ramai.fish
install -D -m 0644 LICENSE "$root/usr/share/doc/ramai/copyright"

mkdir -m 0755 "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: ramai
Version: $version
Architecture: $arch
Maintainer: The ramai project <ramai@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f1)
Description: durable broadcast chat server and client
 Messages are ordered, and written to disk before anyone receives them.
 Clients resume exactly where they stopped. Browsers, terminals, curl and any
 WebSocket client share the same rooms. This package runs the server as a
 service on port 2000, reachable only from this machine; to change that, edit
 /etc/ramai/config.toml.
END
echo /etc/ramai/config.toml >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
	install -m 0755 "packaging/$script" "$root/DEBIAN/$script"
done
(cd "$root" && find usr lib etc -type f -exec md5sum {} +) >"$root/DEBIAN/md5sums"
package="bin/ramai_${version}_$arch.deb"
dpkg-deb --root-owner-group ${DEBCOMPRESSION:--Zxz} --build "$root" "$package" >&2
echo "$package"
