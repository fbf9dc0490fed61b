//! Programs in a real container whose only way out is the world's proxy.

use crate::proxy::world::World;
use crate::support::images::{CLAUDE, containers};
use airut::proxy::process;
use std::io::Write as _;
use std::process::{Output, Stdio};

impl World {
    /// A shell script, which has to end well; what it wrote.
    pub fn inside(&self, script: &str) -> String {
        self.inside_with(&["sh", "-c", script], "")
    }

    /// Any program, and its standard input.
    pub fn inside_with(&self, program: &[&str], input: &str) -> String {
        let output = self.container(program, input);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}\n{told}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How a program ended that need not end well.
    pub fn ends_inside(&self, program: &[&str]) -> Option<i32> {
        self.container(program, "").status.code()
    }

    fn container(&self, program: &[&str], input: &str) -> Output {
        let sandbox = process::sandbox(&self.runtime_dir);
        let mut child = containers()
            .podman()
            .args(["run", "--rm", "-i", "--pull=never", "--cap-drop=all", "--http-proxy=false"])
            .args(sandbox.podman)
            .arg(CLAUDE)
            .args(sandbox.init)
            .args(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let home = [("HOME".to_owned(), "/tmp".to_owned())];
        child.stdin.take().unwrap().write_all(&process::standard_input(&home, input)).unwrap();
        child.wait_with_output().unwrap()
    }
}
