use crate::cli::Desk;

#[test]
fn the_steps_are_a_pipeline() {
    let desk = Desk::new();
    let fetched = desk.fed(&["fetch", "--stdin"], &desk.good("Please.")).ok().stdout;
    let authorized = desk.fed(&["authorize", "-"], fetched.as_bytes()).ok().stdout;
    assert_eq!(authorized, fetched);
    let opened = desk.fed(&["session", "open", "-"], authorized.as_bytes()).ok().stdout;
    assert!(opened.starts_with(&format!("{}:", desk.repo.name)) && opened.ends_with(".1\n"), "{opened}");
    // What a `reply` printed may be handed on as well.
    let acknowledged = desk.fed(&["reply", "-"], opened.as_bytes()).ok().stdout;
    assert_eq!(acknowledged.trim(), format!("{}.ack", opened.trim()));
    desk.fed(&["reply", "-"], acknowledged.as_bytes()).ok();
}

#[test]
fn an_empty_pipe_means_nothing_and_not_everything() {
    let desk = Desk::new();
    let waiting = desk.fetch(&desk.good("Please."));
    for input in ["", "\n", " \n\n"] {
        let ran = desk.fed(&["authorize", "-"], input.as_bytes()).ok();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    }
    desk.run(&["authorize"]).ok();
    assert_eq!(desk.fed(&["session", "open", "-"], b"").ok().stdout, "");
    let task = desk.run(&["session", "open", &waiting]).ok().stdout;
    assert_eq!(desk.fed(&["run", "-"], b"").ok().stdout, "");
    assert_eq!(desk.fed(&["reply", "-"], b"").ok().stdout, "");
    assert_eq!(
        desk.run(&["--json", "status"]).ok().stdout.matches(task.trim().split_once(':').unwrap().1).count(),
        1
    );
}

#[test]
fn a_name_may_be_left_out_only_where_one_repository_can_be_meant() {
    let desk = Desk::new();
    let key = desk.fetch(&desk.good("Please."));
    let bare = key.split_once(':').unwrap().1.to_owned();
    let other = Desk::add(&desk.world);
    let ran = desk.run(&["authorize", &bare]).exit(2);
    assert!(
        ran.stderr.contains("which repository?") && ran.stderr.contains(&format!("hint: write NAME:{bare}"))
    );
    assert_eq!(desk.run(&["authorize", &bare, "--repo", &desk.repo.name]).ok().stdout.trim(), key);
    // One that is named but not chosen.
    desk.run(&["session", "open", &key, "--repo", &other.name]).exit(2);
    let ran = desk.run(&["authorize", "--explain", "x.eml"]).exit(2);
    assert!(ran.stderr.contains("several repositories"), "{}", ran.stderr);
    desk.run(&["session", "open", &key]).ok();
}

#[test]
fn an_unknown_repository_is_named_with_those_there_are() {
    let desk = Desk::new();
    let ran = desk.run(&["status", "--repo", "nope"]).exit(2);
    assert!(
        ran.stderr.contains("\"nope\"") && ran.stderr.contains(&format!("hint: it has: {}", desk.repo.name))
    );
}

#[test]
fn a_reference_that_is_none_is_quoted() {
    let desk = Desk::new();
    let ran = desk.fed(&["run", "-"], b"3fa9c1d2.0\n").exit(2);
    assert!(ran.stderr.contains("\"3fa9c1d2.0\" is not a task"), "{}", ran.stderr);
}
