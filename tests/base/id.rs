use airut::base::id::{Model, RepoName, SessionId, TaskId};

#[test]
fn a_session_id_is_eight_lower_case_hex_digits() {
    assert_eq!("3fa9c1d2".parse::<SessionId>().unwrap().to_string(), "3fa9c1d2");
    for wrong in ["", "3FA9C1D2", "3fa9c1d", "3fa9c1d22", "3fa9c1dg", "../../..", "3fa9c1d\n"] {
        assert!(wrong.parse::<SessionId>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_task_number_has_one_spelling() {
    assert_eq!("3fa9c1d2.12".parse::<TaskId>().unwrap().number, 12);
    for wrong in [
        "3fa9c1d2",
        "3fa9c1d2.",
        "3fa9c1d2.0",
        "3fa9c1d2.01",
        "3fa9c1d2.+1",
        "3fa9c1d2.-1",
        "3fa9c1d2.4294967296",
    ] {
        assert!(wrong.parse::<TaskId>().is_err(), "{wrong:?}");
    }
}

#[test]
fn no_model_is_an_option() {
    assert!("claude-opus-4.1".parse::<Model>().is_ok());
    for wrong in ["", "--resume", "-p", "Opus", "a b", "opus/..", "."] {
        assert!(wrong.parse::<Model>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_repo_name_is_safe_in_a_path_and_a_container_name() {
    assert!("my-project_2".parse::<RepoName>().is_ok());
    for wrong in ["", "..", "a/b", "A", "-a", "a b", &"a".repeat(41)] {
        assert!(wrong.parse::<RepoName>().is_err(), "{wrong:?}");
    }
}
