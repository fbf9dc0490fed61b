use airut::mail::names::{clean, unique_names};

fn unique(names: &[&str], taken: &[&str]) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    unique_names(&owned(names), &owned(taken))
}

#[test]
fn only_a_plain_base_name_is_left() {
    for (name, cleaned) in [
        ("plan.pdf", Some("plan.pdf")),
        ("../../etc/passwd", Some("passwd")),
        ("/etc/passwd", Some("passwd")),
        ("..\\..\\x.exe", Some("x.exe")),
        ("a\0b.txt", Some("ab.txt")),
        (".hidden", Some("hidden")),
        ("...", None),
        ("..", None),
        ("", None),
        ("/", None),
        (" . ", None),
        ("--help", Some("help")),
        ("~root", Some("root")),
        ("two  blanks\tand tab.txt", Some("two blanksand tab.txt")),
        ("exe\u{202e}fdp.txt", Some("exefdp.txt")),
        ("name.", Some("name")),
        ("über €.txt", Some("über €.txt")),
    ] {
        assert_eq!(clean(name).as_deref(), cleaned, "{name:?}");
    }
}

#[test]
fn a_long_name_is_cut_and_keeps_its_extension() {
    let name = clean(&format!("{}.pdf", "ä".repeat(300))).unwrap();
    assert!(name.len() <= 120 && name.ends_with("ä.pdf"), "{name}");
    assert!(clean(&format!("a.{}", "x".repeat(300))).unwrap().len() <= 120);
}

#[test]
fn every_name_is_there_once() {
    assert_eq!(unique(&["a.txt", "a.txt", "a.txt"], &[]), ["a.txt", "a-2.txt", "a-3.txt"]);
    assert_eq!(unique(&["a.txt", "b"], &["a.txt", "a-2.txt", "b"]), ["a-3.txt", "b-2"]);
    assert_eq!(unique(&["a-2.txt", "a.txt", "a.txt"], &[]), ["a-2.txt", "a.txt", "a-3.txt"]);
    assert_eq!(unique(&["x.tar.gz", "x.tar.gz"], &[]), ["x.tar.gz", "x-2.tar.gz"]);
    let long = format!("{}.pdf", "x".repeat(116));
    let twice = unique(&[&long, &long], &[]);
    assert!(twice[1].ends_with("x-2.pdf") && twice[1].len() <= 120);
}
