//! A process of the tests' own, to be signalled and killed: this very program, told to run the one test that starts it.
//! There the test finds an `argument` and does the helper's part instead of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// The name of the variable that hands a helper its argument.
const ARGUMENT: &str = "AIRUT_TEST_HELPER";

/// A helper that runs; killed when it is dropped.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    lines: BufReader<ChildStdout>,
}

/// Starts the calling test again as a process of its own.
pub fn start(argument: &str) -> Helper {
    assert!(self::argument().is_none(), "a helper starts no helper");
    let thread = std::thread::current();
    let test = thread.name().filter(|name| name.contains("::")).expect("a test's thread has the test's name");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ARGUMENT, argument)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    Helper { child, lines }
}

impl Helper {
    /// Reads until the helper says `word`.
    pub fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if line.trim_end().ends_with(word) {
                return;
            }
            line.clear();
        }
        panic!("the helper ended before it said {word:?}");
    }

    /// The next line that begins with `word`.
    pub fn read_line_with(&mut self, word: &str) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if line.starts_with(word) {
                return line.trim_end().to_owned();
            }
            line.clear();
        }
        panic!("the helper ended before it said {word:?}");
    }

    /// Lets a helper go on that stays.
    pub fn proceed(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Within the helper: its argument. Nothing when it was not started by a test.
pub fn argument() -> Option<String> {
    std::env::var(ARGUMENT).ok()
}

/// Within the helper: says a word on a line of its own.
pub fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{word}\n").as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Within the helper: until it is killed, or its test has ended.
pub fn stay() {
    let _ = std::io::stdin().lock().read_line(&mut String::new());
}
