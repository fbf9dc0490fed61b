use crate::support::helper;
use airut::exec::interrupt::Interrupt;
use rustix::process::Signal;
use std::time::Duration;

fn listening() {
    let interrupt = Interrupt::listen().unwrap();
    assert!(!interrupt.is_set());
    helper::say("ready");
    while !interrupt.is_set() {
        std::thread::sleep(Duration::from_millis(5));
    }
    helper::say("asked");
    helper::stay();
}

#[test]
fn the_first_signal_asks_and_the_second_ends() {
    if helper::argument().is_some() {
        return listening();
    }
    for (first, second, code) in [(Signal::TERM, Signal::TERM, 143), (Signal::INT, Signal::INT, 130)] {
        let mut process = helper::start("x");
        process.wait_for("ready");
        process.signal(first);
        process.wait_for("asked");
        process.signal(second);
        assert_eq!(process.wait().code(), Some(code));
    }
}

#[test]
fn the_second_signal_ends_it_although_it_is_another_one() {
    if helper::argument().is_some() {
        return listening();
    }
    let mut process = helper::start("x");
    process.wait_for("ready");
    process.signal(Signal::INT);
    process.wait_for("asked");
    process.signal(Signal::TERM);
    assert_eq!(process.wait().code(), Some(143));
}

#[test]
fn one_that_listens_to_nothing_is_never_set() {
    assert!(!Interrupt::default().is_set());
}
