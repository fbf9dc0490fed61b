//! airut: the email gateway to headless Claude Code.

use std::process::ExitCode;

fn main() -> ExitCode {
    airut::cli::main()
}
