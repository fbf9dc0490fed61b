use airut::base::address::Address;
use airut::mail::parse::Mail;
use airut::mail::prompt::{Msg, PromptInput, prompt};
use jiff::Timestamp;

fn made(first: bool, messages: &[(&str, &str, &str, &[&str])], notes: &[&str]) -> String {
    let own: Address = "airut@example.com".parse().unwrap();
    let from: Vec<Address> = messages.iter().map(|message| message.0.parse().unwrap()).collect();
    let files: Vec<Vec<String>> =
        messages.iter().map(|message| message.3.iter().map(|name| (*name).to_owned()).collect()).collect();
    let mails: Vec<Mail> =
        messages.iter().map(|message| Mail { subject: message.1.to_owned(), ..Mail::default() }).collect();
    let date: Timestamp = "2026-01-05T09:00:00Z".parse().unwrap();
    let messages: Vec<Msg> = (0..messages.len())
        .map(|at| Msg {
            from: &from[at],
            date,
            text: messages[at].2,
            attachments: &files[at],
            mail: &mails[at],
        })
        .collect();
    let notes: Vec<String> = notes.iter().map(|note| (*note).to_owned()).collect();
    prompt(&PromptInput { repo: "my-project", address: &own, first, messages: &messages, notes: &notes })
}

#[test]
fn the_first_prompt_says_where_claude_is_and_what_was_asked() {
    let text = made(true, &[("you@example.com", "Fix it", "The build fails.", &["log.txt", "a b.png"])], &[]);
    for part in [
        "airut@example.com",
        "my-project",
        "/workspace",
        "/inbox",
        "/outbox",
        "/storage",
        "mailed back",
        "Markdown",
        "--- Mail from you@example.com, 2026-01-05 09:00 UTC ---\nSubject: Fix it\nAttached, in /inbox: log.txt, a b.png\n\nThe build fails.\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_later_prompt_is_short_and_leaves_the_subject_out() {
    let text = made(
        false,
        &[("you@example.com", "Re: [ID:3fa9c1d2] Fix it", "Go on.", &[])],
        &["Your previous run was interrupted."],
    );
    assert!(!text.contains("Subject:") && text.contains("Go on.") && text.len() < 500, "{text}");
    assert!(text.contains("Please note: Your previous run was interrupted."));
}

#[test]
fn without_text_the_subject_is_the_request() {
    assert!(
        made(true, &[("you@example.com", "Update all", "", &[])], &[])
            .contains("Subject: Update all\n\n(The mail has no text; its subject is the request.)")
    );
    assert!(made(false, &[("you@example.com", "Update all", "", &[])], &[]).contains("Subject: Update all"));
    assert!(made(false, &[("you@example.com", "", "", &[])], &[]).contains("(The mail is empty.)"));
}

#[test]
fn several_mails_stand_apart_each_with_its_sender() {
    let text = made(true, &[("a@example.com", "One", "1", &[]), ("b@example.com", "Two", "2", &[])], &[]);
    assert!(text.contains("2 mails have come in"));
    assert!(text.contains("Mail from a@example.com") && text.contains("Mail from b@example.com"));
    assert!(text.contains("Subject: One") && !text.contains("Subject: Two"), "{text}");
}
