use airut::mail::plain::{Quotes, strip, unflow, unix};

fn text(written: &str) -> String {
    strip(written, Quotes::Lines)
}

#[test]
fn line_ends_of_every_kind_become_line_feeds() {
    assert_eq!(unix("a\r\nb\rc\r\r\nd\n\re".to_owned()), "a\nb\nc\n\nd\n\ne");
    assert_eq!(unix("\r".to_owned()), "\n");
}

#[test]
fn the_line_above_a_quote_is_known_in_many_languages() {
    for line in [
        "On Mon, Jan 5, 2026 at 9:12 AM Airut <airut@example.com> wrote:",
        "On Mon, Jan 5, 2026 at 9:12 AM Airut\n<airut@example.com> wrote:",
        "On Mon, Jan 5, 2026 at 9:12 AM Airut <\nairut@example.com> wrote:",
        "* Airut <airut@example.com> [2026-01-05 09:12]:",
        "Airut <airut@example.com> writes:",
        "Airut wrote:",
        "Am 05.01.26 um 09:12 schrieb Airut:",
        "Am Montag, dem 05.01.2026 um 09:12 +0100 schrieb Airut:",
        "Airut <airut@example.com> schrieb am Mo., 5. Jan. 2026, 09:12:",
        "Le 05/01/2026 à 09:12, Airut a écrit :",
        "Le lun. 5 janv. 2026 à 09:12, Airut <airut@example.com> a\nécrit :",
        "El 5/1/26 a las 9:12, Airut escribió:",
        "Il giorno lun 5 gen 2026 alle ore 09:12 Airut <airut@example.com> ha scritto:",
        "Em seg., 5 de jan. de 2026 às 09:12, Airut <airut@example.com>\nescreveu:",
        "Op ma 5 jan 2026 om 09:12 schreef Airut <airut@example.com>:",
        "Den mån 5 jan. 2026 kl 09:12 skrev Airut <airut@example.com>:",
        "man. 5. jan. 2026 kl. 09:12 skrev Airut <airut@example.com>:",
        "pon., 5 sty 2026 o 09:12 Airut <airut@example.com> napisał(a):",
        "W dniu 5.01.2026 o 09:12, Airut pisze:",
        "po 5. 1. 2026 v 9:12 odesílatel Airut <airut@example.com> napsal:",
        "ma 5. tammik. 2026 klo 9.12 Airut (airut@example.com) kirjoitti:",
        "5 янв. 2026 г., в 09:12, Airut <airut@example.com> написал(а):",
        "Airut <airut@example.com>, 5 Oca 2026 Pzt, 09:12 tarihinde şunu yazdı:",
        "2026年1月5日(月) 9:12 Airut <airut@example.com>:",
        "Airut <airut@example.com> 于2026年1月5日周一 09:12写道：",
        "2026년 1월 5일 (월) 오전 9:12, Airut <airut@example.com>님이 작성:",
    ] {
        assert_eq!(text(&format!("Yes.\n\n{line}\n\n> q\n> q\n")), "Yes.", "{line}");
        assert_eq!(
            text(&format!("Yes.\n\n{line}\n> q\n\nTrue.")),
            format!("Yes.\n\n{line}\n> q\n\nTrue."),
            "{line}"
        );
    }
}

#[test]
fn a_mark_above_the_quoted_mail_ends_the_text() {
    for mark in [
        "-----Original Message-----",
        "-------- Original Message --------",
        "----- Ursprüngliche Nachricht -----",
        "-----Message d'origine-----",
        "-----Mensaje original-----",
        "From: A <a@example.com>\nSent: Monday\nTo: b\nSubject: c",
        "*From:* A <a@example.com>\n*Date:* Monday\n*To:* b\n*Subject:* c",
        "Von: A\nGesendet: Montag\nAn: B\nBetreff: C",
        "De : A\nEnvoyé : lundi\nÀ : B\nObjet : C",
        "De: A\nEnviado el: lunes\nPara: B\nAsunto: C",
        "Da: A\nInviato: lunedì\nA: B\nOggetto: C",
        "Från: A\nSkickat: måndag\nTill: B\nÄmne: C",
        "发件人: A\n发送时间: 2026\n收件人: B\n主题: C",
    ] {
        assert_eq!(text(&format!("Yes.\n\n{mark}\n\nOld text.\n")), "Yes.", "{mark}");
    }
}

#[test]
fn what_only_looks_like_a_quote_or_a_signature_stays() {
    for written in [
        "Please change:\n- a\n- b",
        "On Monday we met and Bob wrote: all is well.",
        "On Monday Bob wrote:\n\nNothing useful.",
        "The list:\n\n> one\n> two",
        "a\n--\nb > c\n> d\nand more text",
        "Subject: x is what I want.\nTo: do",
        "From: here on\nto there",
        "---\ntitle: x\n---\ntext",
        "Run `git log --oneline`\n\nThen tell me.",
    ] {
        assert_eq!(text(written), written, "{written}");
    }
}

#[test]
fn signatures_are_cut() {
    assert_eq!(text("Yes.\n\n-- \nYou\nHead"), "Yes.");
    assert_eq!(text("Yes.\n-- \nYou\n\nOn 5 Jan 2026, A <a@example.com> wrote:\n> q"), "Yes.");
    assert_eq!(text("Yes.\n\nSent from my iPhone"), "Yes.");
    assert_eq!(
        text(
            "Yes.\n\nSent from my phone I read it all, and then I thought about it for a long while before I wrote this down for you, my dear friend."
        ),
        "Yes.\n\nSent from my phone I read it all, and then I thought about it for a long while before I wrote this down for you, my dear friend."
    );
    let long = format!("Yes.\n\n-- \n{}end", "line\n".repeat(30));
    assert_eq!(text(&long).lines().count(), 34);
}

#[test]
fn what_a_telephone_adds_is_cut_only_where_it_stands_alone() {
    for line in [
        "Sent from my iPhone",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Outlook für Android beziehen",
        "Von meinem Samsung Galaxy Smartphone gesendet.",
        "Envoyé de mon iPhone",
        "Отправлено с iPhone",
        "发自我的iPhone",
    ] {
        assert_eq!(text(&format!("Yes.\n\n{line}\n")), "Yes.", "{line}");
        let within = format!("Yes.\n{line}");
        assert_eq!(text(&within), within);
    }
    let own = "Two things.\n\nSent via curl it works.";
    assert_eq!(text(own), own);
}

#[test]
fn two_dashes_are_a_signature_only_where_they_stand_as_one() {
    let list = "First way\n--\nSecond way";
    assert_eq!(text(list), list);
    assert_eq!(text("Yes.\n\n--\nYou\nHead"), "Yes.", "the blank was lost on the way");
    assert_eq!(text("Yes.\n\n-- \nExample Ltd.\n-- \n"), "Yes.");
}

#[test]
fn a_mail_that_is_passed_on_stays_whole() {
    let below =
        "---------- Forwarded message ---------\nFrom: Bob <bob@example.org>\n\nIt fails.\n\n-- \nBob";
    let whole = format!("Why?\n\n-- \nYou\n\n{below}\n");
    assert_eq!(text(&whole), format!("Why?\n\n{below}"));
    let quoted =
        format!("Yes.\n\nOn 5 Jan 2026, A <a@example.com> wrote:\n> {}", below.replace('\n', "\n> "));
    assert_eq!(text(&quoted), "Yes.");
    let older = format!("Yes.\n\n-----Original Message-----\nFrom: a@example.com\n\n{below}");
    assert_eq!(text(&older), "Yes.");
}

#[test]
fn flowed_lines_are_joined_within_their_depth() {
    assert_eq!(unflow("a \nb\nc", false), "a b\nc");
    assert_eq!(unflow("> a \n> b\n>> c \nd \ne", false), "> a b\n>> c\nd e");
    assert_eq!(unflow("wo \nrd", true), "word");
    assert_eq!(unflow("a \n-- \nsig", false), "a\n-- \nsig");
    assert_eq!(unflow(" >not quoted", false), ">not quoted");
}
