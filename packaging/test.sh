#!/bin/sh
# Installs a package into a separate root, runs the service with the command of its unit, and purges it. Needs root.
set -eu
package=$1
root=$(mktemp -d)
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$root"
}
trap finish EXIT
fail() {
	echo "$package: $1" >&2
	exit 1
}
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/triggers"
: >"$root/var/lib/dpkg/status"
dpkg="dpkg --root=$root --force-script-chrootless --log=/dev/null"

$dpkg -i "$package" >/dev/null
for want in "755 /usr/bin/ramai" "644 /etc/ramai/config.toml" "644 /lib/systemd/system/ramai.service" "644 /usr/share/doc/ramai/docs/OPERATING.md"; do
	path="$root${want#* }"
	[ "$(stat -c '%a %U %G' "$path")" = "${want%% *} root root" ] || fail "$path has $(stat -c '%a %U %G' "$path")"
done
$dpkg -V ramai || fail "files differ from the package"
for doc in "$root"/usr/share/doc/ramai/*.md "$root"/usr/share/doc/ramai/docs/*.md "$root"/usr/share/doc/ramai/docs/decisions/*.md; do
	for link in $(grep -oE '\]\([^) ]+\)|src="[^"]+"' "$doc" | sed 's/^](//; s/^src="//; s/[")]$//; s/#.*//' | grep -v :); do
		[ -e "$(dirname "$doc")/$link" ] || fail "$doc has a broken link: $link"
	done
done
# Completes "ramai jo" as bash does, and parses the completions of the other shells if they are installed.
completed=$(PATH="$root/usr/bin:$PATH" bash --norc -c '
	. "$1"
	_get_comp_words_by_ref() { words=(ramai jo) cword=1 cur=jo prev=ramai; } # of the package bash-completion
	compopt() { :; } # fails outside of a completion
	COMP_TYPE=9
	__start_ramai
	echo "${COMPREPLY[@]}"' - "$root/usr/share/bash-completion/completions/ramai" 2>&1)
[ "${completed%% *}" = join ] || fail "bash completes \"ramai jo\" to \"$completed\""
for shell in "zsh zsh/vendor-completions/_ramai" "fish fish/vendor_completions.d/ramai.fish"; do
	file="$root/usr/share/${shell#* }"
	grep -q __complete "$file" || fail "$file is not a completion script"
	! command -v "${shell%% *}" >/dev/null || "${shell%% *}" -n "$file" || fail "${shell%% *} rejects $file"
done
! ldd "$root/usr/bin/ramai" >/dev/null 2>&1 || fail "the program is not static"
if command -v systemd-analyze >/dev/null; then
	sed "s|^ExecStart=/usr/bin|ExecStart=$root/usr/bin|" "$root/lib/systemd/system/ramai.service" >"$root/ramai.service"
	wrong=$(systemd-analyze verify --man=no "$root/ramai.service" 2>&1 | grep -F "$root/ramai.service" || true)
	rm "$root/ramai.service"
	[ -z "$wrong" ] || fail "systemd rejects the unit: $wrong"
	# exposure of at most 2.0 of 10
	systemd-analyze security --offline=true --threshold=20 --no-pager "$root/lib/systemd/system/ramai.service" >"$root/out" 2>&1 ||
		fail "the unit has too much exposure: $(tail -n 1 "$root/out")"
fi

# Runs the command of the unit in the separate root, on a free port.
start=$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/ramai.service" | sed "s|/usr/bin|$root/usr/bin|; s|/etc/|$root/etc/|; s|/var/lib|$root/var/lib|")
$start --listen 127.0.0.1:0 >"$root/out" 2>&1 &
server=$!
url=
for _ in $(seq 100); do
	url=$(sed -n 's|.* msg=listening address=\([^ ]*\).*|http://\1|p' "$root/out")
	[ -z "$url" ] || break
	sleep 0.1
done
[ -n "$url" ] || fail "the service does not start: $(cat "$root/out")"
[ "$("$root/usr/bin/ramai" say lobby hello --server "$url")" = "lobby 1" ] || fail "a message cannot be posted"
kill "$server"
wait "$server" || fail "the service does not stop cleanly"
server=

$dpkg --purge ramai >/dev/null 2>&1 || fail "the package cannot be purged"
left=$(cd "$root" && find . -type f -o -type l | grep -v -e '^./var/lib/dpkg/' -e '^./var/lib/ramai/' -e '^./out$' || true)
[ -z "$left" ] || fail "purging left these files: $left"
[ -f "$root/var/lib/ramai/ramai.db" ] || fail "purging deleted the messages"
echo "$package: installed, run, purged"
