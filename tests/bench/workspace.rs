//! What `workspace.sh` measures: `mirror REMOTE PATH` or `workspace REMOTE MIRROR TO`, once.

use airut::tool::git::{Mirror, clone_workspace};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["mirror", remote, path] => Mirror::new(path).update(&remote.parse()?),
        ["workspace", remote, mirror, to] => {
            clone_workspace(&Mirror::new(mirror), &remote.parse()?, to.as_ref()).map(|_| ())
        }
        // `cargo bench` without arguments has nothing to do here.
        _ => Ok(()),
    }
}
