package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ramai/client"
	"ramai/internal/chat"
	"ramai/internal/eventlog"
	"ramai/internal/linemode"
	"ramai/internal/qr"
	"ramai/internal/store/sqlite"
	"ramai/server"
	"ramai/wire"
)

type inviteOptions struct {
	data, room, role, life, url string
	uses                        int
	code                        bool
}

// newInvite returns the operator's command that makes an invite.
func newInvite() *cobra.Command {
	var o inviteOptions
	cmd := &cobra.Command{
		Use:   "invite --room ROOM",
		Short: "Invite people to a room",
		Long: `Make an invite to a room, as the operator, and print its link. Everyone who opens the link gets the role, once each, until the
invite is used up or expires. The link contains the secret of the invite, which is shown only now. A running server prints the
address by which other machines reach it; otherwise, or to print another one, use --url.

The roles are reader, guest, trusted, moderator and owner. An invite with the role owner has one use and does not expire.

If a server is running with the data folder, the command uses its socket there. Otherwise it opens the folder itself.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 rejected, 5 the data folder cannot be used.`,
		Example: `  ramai invite --room kelas-7b --uses 30 --for 7d
  ramai invite --room kelas-7b --role moderator --uses 1 --url https://chat.example.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ask, err := o.invite(time.Now())
			if err != nil {
				return exit(exitUsage, err)
			}
			invited, err := o.run(cmd.Context(), ask, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return o.print(invited, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	dataFlag(f, &o.data)
	f.StringVar(&o.room, "room", "", "the room")
	f.StringVar(&o.role, "role", wire.RoleGuest.String(), "the role that the invite gives")
	f.IntVar(&o.uses, "uses", 0, fmt.Sprintf("how many people can use it, 1 to %d; by default %d", wire.MaxUses, wire.DefaultUses))
	f.StringVar(&o.life, "for", "", "how long it can be used, for example 12h or 7d, at most 365d; by default 7d")
	f.StringVar(&o.url, "url", "", "address of the server for those who are invited, for example https://chat.example.org")
	f.BoolVar(&o.code, "qr", false, "print the QR code of the link, too")
	return cmd
}

// invite returns the request.
func (o *inviteOptions) invite(now time.Time) (ask wire.Invite, err error) {
	if o.room == "" {
		return ask, errors.New("--room is required")
	}
	if err := checkRoom(o.room); err != nil {
		return ask, err
	}
	role, ok := wire.ParseRole(o.role)
	if !ok || role == wire.RoleNone {
		return ask, fmt.Errorf("--role: unknown role %q (want reader, guest, trusted, moderator or owner)", o.role)
	}
	ask = wire.Invite{Room: o.room, Role: role, Uses: o.uses}
	if o.life != "" {
		life, err := eventlog.ParseRetention(o.life)
		if err != nil || life.Age <= 0 {
			return ask, fmt.Errorf("--for: invalid time %q (want, for example, 12h or 7d)", o.life)
		}
		ask.Until = wire.TimeOf(now.Add(life.Age))
	}
	if o.url != "" {
		if o.url, err = inRoom(withScheme(o.url), o.room); err != nil {
			return ask, fmt.Errorf("--url: %w", err)
		}
	}
	ask.ID, err = wire.NewSession(rand.Reader)
	return ask, err
}

// run makes the invite, on a running server or in the data of a stopped one.
func (o *inviteOptions) run(ctx context.Context, ask wire.Invite, notes io.Writer) (invited server.Invited, err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return invited, err
	}
	answer, err := askServer(ctx, o.data, "POST", server.InvitePath, string(body))
	if !errors.Is(err, errNotRunning) {
		if err == nil && json.Unmarshal(answer, &invited) != nil {
			err = exit(exitNoServer, fmt.Errorf("unexpected answer at %s in %s", server.SocketName, o.data))
		}
		return invited, err
	}
	secret, err := wire.NewSession(rand.Reader)
	if err != nil {
		return invited, err
	}
	err = offline(o.data, notes, func(s *sqlite.Store) error {
		invited.Invited, err = operatorOf(s).Invite(ctx, ask, secret, time.Now())
		if refused := chat.Refusal(err); refused != nil {
			return exit(exitRefused, errors.New(refused.Reason))
		}
		if err != nil {
			return exit(exitUnusable, err)
		}
		return nil
	})
	return invited, err
}

// print prints the link to stdout, and everything else to notes.
func (o *inviteOptions) print(invited server.Invited, stdout, notes io.Writer) error {
	address := "/r/" + invited.Room
	switch {
	case o.url != "":
		address = o.url
	case invited.Origin != "":
		address = invited.Origin + address
	default:
		fmt.Fprintln(notes, "put the address of the server in front of this path, or use --url:")
	}
	link := wire.InviteLink(address, invited.Invite)
	if _, err := fmt.Fprintln(stdout, link); err != nil {
		return unwritten(err)
	}
	if o.code {
		code, err := qr.Encode(link)
		if err != nil {
			return err
		}
		for _, line := range code.Blocks() {
			if _, err := fmt.Fprintf(stdout, "\x1b[30;107m%s\x1b[0m\n", line); err != nil { // black on white
				return unwritten(err)
			}
		}
	}
	until := "does not expire"
	if invited.Until != 0 {
		until = "expires at " + invited.Until.Std().Local().Format(time.DateTime)
	}
	fmt.Fprintf(notes, "role %v in %s, uses: %d, %s\n", invited.Role, invited.Room, invited.Uses, until)
	return nil
}

type redeemOptions struct {
	target
	name             string
	password, invite path
}

// newRedeem returns the command that redeems an invite or a password.
func newRedeem() *cobra.Command {
	var o redeemOptions
	cmd := &cobra.Command{
		Use:   "redeem ROOM",
		Short: "Get into a room with an invite or a password",
		Long: `Redeem an invite, or the password of a room, under --name. The role belongs to the name: ramai join ROOM --name NAME enters the
room afterwards. The secret is the first line of a file, because other users of this machine can see arguments. An invite can be
a whole link. In a room, /redeem does the same.

Exit codes: 0 ok, 2 usage, 3 cannot connect, 4 rejected.`,
		Example: `  ramai redeem kelas-7b --name anna --password-file -
  ramai redeem kelas-7b --name anna --invite-file link.txt`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask, err := o.ask(args[0], cmd.InOrStdin())
			if err != nil {
				return exit(exitUsage, err)
			}
			return o.run(cmd.Context(), ask, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	o.target.flags(f)
	nameFlag(f, &o.name)
	f.Var(&o.password, "password-file", "a file with the password of the room on its first line; - reads it from stdin")
	f.Var(&o.invite, "invite-file", "a file with an invite, or a link with one, on its first line; - reads it from stdin")
	completeRoom(cmd, &o.target)
	return cmd
}

// ask returns the request.
func (o *redeemOptions) ask(room string, stdin io.Reader) (ask wire.Redeem, err error) {
	if err := checkRoom(room); err != nil {
		return ask, err
	}
	if o.name == "" {
		return ask, errors.New("--name is required: the role belongs to a name")
	}
	if (o.password == "") == (o.invite == "") {
		return ask, errors.New("give either --password-file or --invite-file")
	}
	ask.Room = room
	if o.password != "" {
		if ask.Password, err = readSecret(string(o.password), stdin); err != nil {
			return ask, fmt.Errorf("--password-file: %w", err)
		}
		return ask, nil
	}
	text, err := readSecret(string(o.invite), stdin)
	if err != nil {
		return ask, fmt.Errorf("--invite-file: %w", err)
	}
	of, invite, bad := wire.ParseInvite(text)
	switch {
	case bad != nil:
		return ask, fmt.Errorf("--invite-file: %s", bad.Reason)
	case of != "" && of != room:
		return ask, fmt.Errorf("--invite-file: the link is to the room %s, not to %s", of, room)
	}
	ask.Invite = invite
	return ask, nil
}

func (o *redeemOptions) run(ctx context.Context, ask wire.Redeem, stdout, stderr io.Writer) error {
	if err := checkServer(o.server); err != nil {
		return exit(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	who := newIdentity(o.server, o.name, stderr)
	c, err := o.target.ask(ctx, who, "redeem an invite or a password", stderr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := awaitName(ctx, c, who); err != nil {
		return err
	}
	role, err := c.Redeem(ctx, ask)
	if refused := (*wire.CodedError)(nil); errors.As(err, &refused) {
		return exit(exitRefused, errors.New(refused.Reason))
	}
	if err != nil {
		return linemode.Ended(ctx, err)
	}
	if _, err := fmt.Fprintf(stdout, "your role in %s is %v\n", role.Room, role.Role); err != nil {
		return unwritten(err)
	}
	return nil
}

// awaitName waits until the name is granted, and stores the session that holds it.
func awaitName(ctx context.Context, c *client.Client, who *identity) error {
	session := ""
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return linemode.Ended(ctx, err)
		}
		switch f := e.Frame.(type) {
		case wire.Welcome:
			if session = f.Session; f.Name != "" {
				who.held(session)
				return nil
			}
		case wire.Name:
			who.held(session)
			return nil
		case client.RequestFailed:
			return exit(exitRefused, linemode.RefusedName(f))
		}
	}
}

// maxSecret limits what is read of a file with a secret, in bytes.
const maxSecret = 4 << 10

// readSecret returns the first line of a file, or of stdin if the file is -. Its errors do not contain the line.
func readSecret(file string, stdin io.Reader) (string, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	line, err := bufio.NewReader(io.LimitReader(in, maxSecret)).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	if line = strings.TrimSpace(strings.TrimPrefix(line, wire.BOM)); line == "" {
		return "", errors.New("its first line is empty")
	}
	return line, nil
}

// browserLink returns the address of a room as a browser opens it.
func browserLink(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.Scheme, u.User, u.RawQuery, u.Fragment = httpScheme(u.Scheme), nil, "", ""
	return u.String()
}
