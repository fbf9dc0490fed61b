use airut::rule::sender::sender;

#[test]
fn one_mailbox_is_read_in_all_the_forms_that_programs_write() {
    for (value, address, name) in [
        ("you@example.com", "you@example.com", None),
        ("<you@example.com>", "you@example.com", None),
        ("You <you@example.com>", "you@example.com", Some("You")),
        ("John Q. Public <you@example.com>", "you@example.com", Some("John Q. Public")),
        ("\"Doe, John (Sales)\" <You@Example.COM>", "you@example.com", Some("Doe, John (Sales)")),
        ("\"A \\\"B\\\" C\" <you@example.com>", "you@example.com", Some("A \"B\" C")),
        ("=?UTF-8?B?SsO8cmdlbg==?= <you@example.com>", "you@example.com", Some("=?UTF-8?B?SsO8cmdlbg==?=")),
        ("=?utf-8?Q?J=C3=BCrgen_M?= <you@example.com>", "you@example.com", Some("=?utf-8?Q?J=C3=BCrgen_M?=")),
        ("Jürgen Müller <jürgen@bücher.example>", "jürgen@bücher.example", Some("Jürgen Müller")),
        ("root@example.com (Cron Daemon)", "root@example.com", None),
        ("root@example.com (a (nested) one)", "root@example.com", None),
        ("\"you@example.com\" <you@example.com>", "you@example.com", Some("you@example.com")),
        ("you+tag@sub.example.com", "you+tag@sub.example.com", None),
        ("\"\" <you@example.com>", "you@example.com", None),
        ("\tYou\t<you@example.com>\t", "you@example.com", Some("You")),
        ("J\u{fffd}rgen <you@example.com>", "you@example.com", Some("J\u{fffd}rgen")),
    ] {
        let read = sender(value).unwrap_or_else(|why| panic!("{value}: {why}"));
        assert_eq!((read.address.to_string().as_str(), read.name.as_deref()), (address, name), "{value}");
    }
}

#[test]
fn what_could_be_read_as_another_address_is_no_sender() {
    for value in [
        "",
        "nobody",
        "@example.com",
        "you@",
        "a@evil.example (Admin <admin@legit.example>)",
        "a@evil.example (admin@legit.example)",
        "a@evil.example, <admin@legit.example>",
        "<a@evil.example>, admin@legit.example",
        "admin@legit.example, a@evil.example",
        "a@evil.example <admin@legit.example>",
        "admin@legit.example <a@evil.example>",
        "<admin@legit.example> <a@evil.example>",
        "<<admin@legit.example>>",
        "\"x <a@evil.example>\" <admin@legit.example>",
        "Group: admin@legit.example;",
        "Group: admin@legit.example, a@evil.example;",
        "undisclosed-recipients:;",
        "Name <@evil.example:admin@legit.example>",
        "Name <admin@legit.example> trailing",
        "Name <admin@legit.example",
        "Name admin@legit.example>",
        "Name, Sur <admin@legit.example>",
        "\"admin@legit.example\"@evil.example",
        "\"a\"@legit.example",
        "admin @legit.example",
        "admin@ legit.example",
        "admin(x)@legit.example",
        "admin@legit.example(x).evil.example",
        "admin@[192.0.2.1]",
        "admin@legit.example\0",
        "admin@legit\0.example",
        "ad min@legit.example",
        "admin@legit..example",
        ".admin@legit.example",
        "admin.@legit.example",
        "admin@legit.example.",
        "admin@-legit.example",
        "admin@legit@evil.example",
        "\"unclosed <admin@legit.example>",
        "(unclosed admin@legit.example",
        "admin@legit.example\\",
        "a\\dmin@legit.example",
        "admi\u{fffd}@legit.example",
        "admin@legi\u{fffd}.example",
        "ad\u{200b}min@legit.example",
        "admin\u{202e}@legit.example",
        "\u{212a}admin@legit.example",
        "admin@\u{212a}legit.example",
        "admin@legit.example;",
        "admin@legit.example\u{b}",
    ] {
        assert!(sender(value).is_err(), "{value:?} was read as {:?}", sender(value));
    }
}

#[test]
fn an_address_in_the_display_name_asks_for_the_domain_that_was_checked() {
    assert!(sender("\"a@evil.example\" <you@example.com>").unwrap().needs_domain);
    assert!(!sender("\"A\" <you@example.com>").unwrap().needs_domain);
}

#[test]
fn a_long_value_of_any_kind_takes_a_moment_only() {
    for one in ["(", "\"", "<", "a", "a.", "@", "\\", "\"\" ", "() ", "=?utf-8?q?a?= ", "é"] {
        let value = one.repeat(100_000);
        assert!(sender(&value).is_err(), "{one:?}");
    }
}
