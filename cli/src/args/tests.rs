use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(std::iter::once("zerok").chain(line.split_whitespace()))
}

fn command(line: &str) -> Command {
    parse(line).unwrap().command
}

#[test]
fn the_definition_is_sound() {
    use clap::CommandFactory as _;
    Args::command().debug_assert();
}

#[test]
fn global_options_stand_before_and_after_the_command() {
    for line in ["--data d --json --timeout 3 status", "status --data d --json --timeout 3"] {
        let args = parse(line).unwrap();
        assert_eq!((args.data, args.json, args.timeout), (Some("d".into()), true, 3));
    }
}

#[test]
fn the_demo_s_command_lines_parse() {
    let named = |text: &str| Some(text.to_owned());
    assert_eq!(
        command("--data d init --relay 0k:a --name l"),
        Command::Init { relay: named("0k:a"), name: named("l"), afresh: false }
    );
    assert_eq!(command("invite --json"), Command::Invite);
    assert_eq!(
        command("join - --relay 0k:a --name phone"),
        Command::Join { invite: named("-"), relay: named("0k:a"), name: named("phone") }
    );
    assert_eq!(command("watch --json --push-stdin"), Command::Watch { push_stdin: true });
    assert_eq!(command("pull --all --json"), Command::Pull { all: true, after: None, own: false, offline: false });
}

#[test]
fn join_takes_a_code_a_dash_or_nothing() {
    let join = |invite: Option<&str>| Command::Join { invite: invite.map(str::to_owned), relay: None, name: None };
    assert_eq!(command("join"), join(None));
    assert_eq!(command("join -"), join(Some("-")));
    assert_eq!(command("join AAAA-BBBB"), join(Some("AAAA-BBBB")));
}

#[test]
fn push_takes_a_file_a_dash_or_nothing() {
    assert_eq!(command("push"), Command::Push { lines: false, file: None });
    assert_eq!(command("push --lines -"), Command::Push { lines: true, file: Some("-".into()) });
    assert_eq!(command("push note.txt"), Command::Push { lines: false, file: Some("note.txt".into()) });
}

#[test]
fn contradictions_and_gaps_are_refused() {
    for line in ["", "pull --all --after 3", "set-relay", "rename", "pull --after x", "--key-storage moon status"] {
        assert!(parse(line).is_err(), "{line}");
    }
}
