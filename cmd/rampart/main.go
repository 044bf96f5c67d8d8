package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// Exit statuses.
const (
	exitClean = iota // nothing found, nothing refused
	exitFound        // something was
	exitError        // wrong usage, or it could not be done
)

// errFound says that findings are printed already, or a refusal is.
var errFound = errors.New("found")

// errUsage says that the arguments are wrong; what was wrong is printed already.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args, terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, env: os.Getenv})
	stop()
	os.Exit(status)
}

// A terminal is where a command reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
}

// run runs the command and returns its exit status.
func run(ctx context.Context, args []string, t terminal) int {
	root := &cli.Command{
		Name:  "rampart",
		Usage: "attack and audit HTTP services; handle tokens, keys and secrets",
		Description: "Exit statuses: 0 nothing found and nothing refused, 1 something was,\n" +
			"2 wrong usage or an error. Completion: rampart completion bash|zsh|fish|pwsh.",
		Version:               version(),
		EnableShellCompletion: true,
		Suggest:               true,
		Reader:                t.in, Writer: t.out, ErrWriter: t.err,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run tells
		Commands: []*cli.Command{
			attackCommand(t), auditCommand(t), tokenCommand(t), keysCommand(t), fernetCommand(t), apikeyCommand(t),
		},
		Action: noSubcommand,
	}
	tame(root)
	err := root.Run(ctx, args)
	switch {
	case err == nil:
		return exitClean
	case errors.Is(err, errFound):
		return exitFound
	case errors.Is(err, errUsage):
		return exitError
	default:
		fmt.Fprintln(t.err, "rampart:", clean(err.Error()))
		return exitError
	}
}

// tame gives each command the same response to wrong arguments. It does not repeat
// them: somebody will try a secret.
func tame(cmd *cli.Command) {
	cmd.OnUsageError = func(_ context.Context, cmd *cli.Command, _ error, _ bool) error {
		return usage(cmd, "a flag is unknown, or has no value or a wrong one")
	}
	for _, sub := range cmd.Commands {
		if len(sub.Commands) > 0 && sub.Action == nil {
			sub.Action = noSubcommand
		}
		tame(sub)
	}
}

func noSubcommand(_ context.Context, cmd *cli.Command) error {
	if cmd.Args().Present() {
		return usage(cmd, "there is no such command")
	}
	return usage(cmd, "a command is missing")
}

// usage says what is wrong with the arguments, and where to read on.
func usage(cmd *cli.Command, what string) error {
	fmt.Fprintf(cmd.Root().ErrWriter, "rampart: %s; see %s -help\n", what, cmd.FullName())
	return errUsage
}

// version is the module's, and the commit where the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return info.Main.Version + " " + s.Value
		}
	}
	return info.Main.Version
}
