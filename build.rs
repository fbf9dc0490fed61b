//! Builds the container's init, a static program of its own, and puts it where `proxy/process.rs` embeds it. And has
//! the linker pack the program's relocations where that can be loaded.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    if packs_relocations() {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    init();
}

/// Whether the C library here, which is the one the program will be started with, knows `DT_RELR`: glibc since 2.36.
/// Unpacked, they are 0.7 MB more that every process of airut's reads and keeps in memory.
fn packs_relocations() -> bool {
    if variable("HOST") != variable("TARGET") || variable("CARGO_CFG_TARGET_ENV") != "gnu" {
        return false;
    }
    #[expect(clippy::disallowed_methods, reason = "a build script runs before there is a house")]
    let version = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let mut numbers =
        said.trim().trim_start_matches("glibc ").split('.').map(|part| part.parse::<u32>().ok());
    (numbers.next().flatten(), numbers.next().flatten()) >= (Some(2), Some(36))
}

fn init() {
    let source = Path::new("src/proxy/init");
    println!("cargo:rerun-if-changed={}", source.display());
    println!("cargo:rerun-if-changed=build.rs");
    let out = Path::new(&variable("OUT_DIR")).join("airut-init");
    #[expect(clippy::disallowed_methods, reason = "a build script runs before there is a house")]
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args(["--edition", "2024", "--crate-name", "airut_init", "--crate-type", "bin", "--target"])
        .arg(variable("TARGET"))
        // Static, so that it runs in any image whatever its libc; small, since it is copied at every start.
        .args(["-C", "opt-level=s", "-C", "panic=abort", "-C", "target-feature=+crt-static"])
        .args(["-C", "strip=symbols", "-C", "codegen-units=1", "-o"])
        .arg(&out)
        .arg(source.join("main.rs"));
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg("-C").arg(format!("linker={linker}"));
    }
    match rustc.output() {
        Ok(output) if output.status.success() => {
            for line in String::from_utf8_lossy(&output.stderr).lines() {
                println!("cargo:warning={line}");
            }
        }
        Ok(output) => {
            panic!("the container's init does not build:\n{}", String::from_utf8_lossy(&output.stderr))
        }
        Err(error) => panic!("the container's init does not build: {error}"),
    }
}

fn variable(name: &str) -> String {
    match env::var(name) {
        Ok(value) => value,
        Err(error) => panic!("cargo sets {name}: {error}"),
    }
}
