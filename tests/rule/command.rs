use airut::rule::command::{Command, command};

fn of(request: &str) -> Option<(Command, String)> {
    command(request, true)
}

#[test]
fn a_command_is_the_first_line_and_what_follows_is_kept_apart() {
    let cases = [
        ("/stop", Command::Stop, ""),
        ("  /Stop.  \n\nBest\nBob", Command::Stop, "Best\nBob"),
        ("/status", Command::Status, ""),
        ("/HELP!", Command::Help, ""),
        ("/model", Command::Model(None), ""),
        ("/model Sonnet\nNow go on", Command::Model(Some(Ok("sonnet".parse().unwrap()))), "Now go on"),
        ("/model --resume", Command::Model(Some(Err("--resume".to_owned()))), ""),
        ("/new", Command::New, ""),
        ("/new Look at this\nand that", Command::New, "Look at this\nand that"),
        ("/resend big file.zip", Command::Resend("big file.zip".to_owned()), ""),
        ("/resend `a.bin`", Command::Resend("a.bin".to_owned()), ""),
    ];
    for (request, wanted, rest) in cases {
        assert_eq!(of(request), Some((wanted, rest.to_owned())), "{request}");
    }
}

#[test]
fn a_sentence_or_a_path_that_begins_with_a_slash_is_for_claude() {
    for request in [
        "/etc/hosts is wrong",
        "/stop the tests from failing",
        "/status of the build?",
        "/model is too large for memory",
        "/stops",
        "/resend",
        "/compact",
        "Please\n/stop",
        "stop the tests",
        "",
    ] {
        assert_eq!(of(request), None, "{request}");
    }
}

#[test]
fn the_bare_word_stop_is_a_command_in_a_reply_only() {
    for request in ["stop", "Stop!", "STOP.\n", " stop "] {
        assert_eq!(of(request), Some((Command::Stop, String::new())), "{request}");
        assert_eq!(command(request, false), None, "{request}");
    }
}

#[test]
fn every_command_is_read_back_from_its_word() {
    for command in [Command::Stop, Command::Status, Command::Model(None), Command::New, Command::Help] {
        assert_eq!(of(command.word()), Some((command.clone(), String::new())));
    }
}
